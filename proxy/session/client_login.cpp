#include "proxy/session/client_login.h"

#include <algorithm>

#include "conf/logging.h"
#include "conf/port_targets.h"
#include "protocol/auth/md5.h"
#include "protocol/auth/scram_message.h"
#include "protocol/base/random.h"
#include "protocol/message/frontend.h"
#include "protocol/message/writer.h"
#include "proxy/session/cancels.h"
#include "proxy/session/clients.h"
#include "proxy/session/leasing.h"
#include "proxy/session/routing.h"
#include "proxy/session/throttle.h"

namespace weir {

namespace {

bool contains(const std::vector<std::string>& list, std::string_view name) {
    return std::any_of(list.begin(), list.end(),
                       [&](const std::string& entry) { return equals_ignoring_case(entry, name); });
}

}  // namespace

void ClientLogin::fail(const Error& error) {
    ctx_.clients->fail(session_, error);
}

size_t ClientLogin::on_bytes(ByteView input) {
    return session_.phase == ClientPhase::Startup ? on_startup(input) : on_auth_message(input);
}

// ---- the start-up packet ----

size_t ClientLogin::on_startup(ByteView input) {
    const Result<uint32_t> total = startup_packet_bytes(input);
    if (!total) {
        fail(total.error());
        return input.size();
    }
    if (*total == 0 || input.size() < *total) return 0;
    const Result<StartupPacket> packet = parse_startup_packet(input.first(*total));
    if (!packet) {
        fail(packet.error());
        return input.size();
    }
    switch (packet->kind) {
        case StartupPacket::Kind::SslRequest:
        case StartupPacket::Kind::GssEncRequest:
            // Nothing may stand behind such a request: it would be plain text taken for protected.
            if (input.size() > *total || ++encryption_requests_ > 2) {
                fail(Error("08P01", "received unencrypted data after an encryption request"));
                return input.size();
            }
            ctx_.clients->send(session_, "N");
            return *total;
        case StartupPacket::Kind::Cancel:
            ctx_.cancels->on_request(session_, packet->cancel_key);
            return input.size();
        case StartupPacket::Kind::Startup: on_startup_message(*packet); return *total;
    }
    return *total;
}

void ClientLogin::on_startup_message(const StartupPacket& packet) {
    session_.phase = ClientPhase::Authenticating;
    const Negotiation negotiation = negotiate(packet);
    if (negotiation.needed) {
        std::string text;
        write_negotiate_protocol_version(text, negotiation.unknown_options);
        session_.outbox.append(as_bytes(text));
    }
    session_.user = packet.find("user");
    session_.database = packet.find("database");
    if (session_.user.empty()) return fail(Error("08P01", "no username supplied"));
    if (session_.database.empty()) session_.database = session_.user;
    if (ctx_.config->global.client_tls_sslmode >= SslMode::Require)
        return fail(Error("08P01", "SSL required"));
    if (Status taken = take_parameters(packet); !taken) return fail(taken.error());
    enter_database();
}

Status ClientLogin::take_parameters(const StartupPacket& packet) {
    for (const auto& [name, value] : packet.parameters) {
        if (name == "user" || name == "database" || name.starts_with("_pq_.")) continue;
        Status taken = name == "options" ? take_options(value) : take_parameter(name, value, false);
        if (!taken) return taken;
    }
    return {};
}

Status ClientLogin::take_parameter(std::string_view name, std::string_view value,
                                   bool is_from_options) {
    if (const int index = ctx_.shared.names.index_of(name); index >= 0) {
        wanted_.emplace_back(static_cast<size_t>(index), value);
        return {};
    }
    const std::vector<std::string>& ignored = ctx_.config->global.ignore_startup_parameters;
    if (contains(ignored, name)) return {};
    if (name == "target_session_attrs") {
        const Result<TargetSessionAttrs> wanted = parse_target_session_attrs(value);
        if (!wanted) {
            return tl::unexpected<Error>(
                Error("22023", "invalid target_session_attrs: " + wanted.error().message));
        }
        wanted_attrs_ = *wanted;
        return {};
    }
    if (is_from_options) {
        if (contains(ignored, "options")) return {};
        return tl::unexpected<Error>(
            Error("08P01", "unsupported startup parameter in options: " + std::string(name)));
    }
    if (name == "replication") {
        if (value == "false" || value == "off" || value == "no" || value == "0") return {};
        return tl::unexpected<Error>(Error("0A000", "replication connections are not supported"));
    }
    return tl::unexpected<Error>(
        Error("08P01", "unsupported startup parameter: " + std::string(name)));
}

Status ClientLogin::take_options(std::string_view text) {
    const auto settings = parse_startup_options(text);
    if (!settings) {
        if (contains(ctx_.config->global.ignore_startup_parameters, "options")) return {};
        return tl::unexpected<Error>(settings.error());
    }
    for (const auto& [name, value] : *settings) {
        if (Status taken = take_parameter(name, value, true); !taken) return taken;
    }
    return {};
}

// ---- which database, which user, which secret ----

void ClientLogin::enter_database() {
    const Config& config = *ctx_.config;
    VirtualDatabase* console = ctx_.shared.console;
    if (console != nullptr && console->owns(session_.database)) {
        is_console_ = true;
        // PgBouncer's rule: its own system user, on the Unix socket, as user `pgbouncer`, is the
        // administrator.
        if (session_.is_unix && session_.user == "pgbouncer" && ctx_.io.is_same_user(session_.fd)) {
            session_.is_admin = true;
            method_ = AuthType::Trust;
            return on_authenticated();
        }
        const VirtualDatabase::Admission admission = console->admit(config, session_.user);
        if (!admission.is_allowed) return fail(Error("08P01", "not allowed"));
        session_.is_admin = admission.is_admin;
    } else {
        if (ctx_.shared.is_shutting_down.load())
            return fail(Error("57P03", "pooler is shutting down"));
        const Status limited = ctx_.throttle->may_log_in(session_, wanted_application_name());
        if (!limited) return fail(limited.error());
        if (Status reserved = reserve_client(); !reserved) return fail(reserved.error());
        if (auto database = config.find_database(session_.database)) {
            is_database_known_ = true;
            database_ = std::move(*database);
        }
    }
    if (const std::string* secret = config.find_secret(session_.user)) {
        is_user_known_ = true;
        secret_ = SecretString(*secret);
    }
    start_auth();
}

Status ClientLogin::reserve_client() {
    PoolSet& pools = ctx_.shared.pools;
    if (!pools.clients.try_reserve()) {
        return weir::fail("08P01", "no more connections allowed (max_client_conn)");
    }
    session_.holds_client_units = true;
    return {};
}

void ClientLogin::start_auth() {
    method_ = ctx_.config->global.auth_type;
    switch (method_) {
        case AuthType::Any:
            if (is_console_ || !is_database_known_ || database_.user) return on_authenticated();
            return fail(Error("08P01", "auth_type=any requires forced user"));
        case AuthType::Trust:
            if (!is_user_known_ && !(is_database_known_ && database_.user)) {
                return fail(Error("28000", "no such user"));
            }
            return on_authenticated();
        case AuthType::Plain:
        case AuthType::Md5:
        case AuthType::ScramSha256: return start_password();
        default:
            return fail(Error(
                "28000", "this auth_type is accepted in the configuration but not yet in effect"));
    }
}

void ClientLogin::start_password() {
    if (is_turned_away()) return;
    if (method_ == AuthType::Md5 && classify_secret(secret_.view()) == SecretKind::Scram) {
        method_ = AuthType::ScramSha256;
    }
    method_ == AuthType::ScramSha256 ? start_scram() : ask_password();
}

bool ClientLogin::is_turned_away() {
    const std::optional<Error> refusal = guard_.refusal(session_);
    if (refusal) fail(*refusal);
    return refusal.has_value();
}

void ClientLogin::on_wrong_password(Error error) {
    answer_at_ = guard_.on_wrong(session_);
    if (answer_at_.is_never()) return fail(error);
    refusal_ = std::move(error);
    session_.phase = ClientPhase::Refused;
    ctx_.deadlines.arm(session_, answer_at_);
}

void ClientLogin::on_deadline() {
    // It may have been an earlier one, of client_login_timeout.
    if (answer_at_ > ctx_.now) return ctx_.deadlines.arm(session_, answer_at_);
    fail(*refusal_);
}

void ClientLogin::ask_password() {
    std::string text;
    if (method_ == AuthType::Md5) {
        secure_random(md5_salt_);
        write_auth_request(text, AuthRequest::Md5Password, md5_salt_);
    } else {
        write_auth_request(text, AuthRequest::CleartextPassword);
    }
    ctx_.clients->send(session_, text);
}

void ClientLogin::start_scram() {
    std::string text;
    write_auth_request(text, AuthRequest::Sasl,
                       as_bytes(std::string_view("SCRAM-SHA-256\0\0", 15)));
    ctx_.clients->send(session_, text);
}

// The verifier to check the client against; one that nothing matches when there is no usable
// secret, with a salt that stays the same, so that users cannot be told from non-users.
ScramVerifier ClientLogin::scram_verifier() const {
    const auto iterations = static_cast<uint32_t>(ctx_.config->global.scram_iterations);
    switch (classify_secret(secret_.view())) {
        case SecretKind::Scram: return *parse_scram_verifier(secret_.view());
        case SecretKind::Plain:
            return ctx_.shared.verifiers.get(session_.user, secret_, iterations);
        default: return make_mock_verifier(ctx_.shared.mock_secret, session_.user, iterations);
    }
}

// ---- the password exchange ----

size_t ClientLogin::on_auth_message(ByteView input) {
    const Piece piece = session_.parser.peek(input);
    if (piece.kind == Piece::Kind::NeedMore) return 0;
    const bool is_password = piece.kind == Piece::Kind::Start && piece.tag == 'p';
    if (piece.kind == Piece::Kind::Start && piece.tag == 'X') {
        ctx_.clients->close(session_, "client close request");
        return input.size();
    }
    if (!is_password || piece.length > kAuthMessageBytesMax) {
        fail(Error("08P01", is_password ? "authentication message is too long"
                                        : "expected password response"));
        return input.size();
    }
    if (!piece.is_complete()) return 0;
    session_.parser.consume(piece);
    if (method_ == AuthType::ScramSha256) {
        on_sasl(piece.body());
    } else if (const auto password = view_password(piece.body())) {
        on_password(*password);
    } else {
        fail(Error("08P01", "invalid password message"));
    }
    return piece.bytes.size();
}

void ClientLogin::on_password(std::string_view password) {
    if (is_turned_away()) return;
    const std::string_view secret = secret_.view();
    const SecretKind kind = classify_secret(secret);
    bool is_right = false;
    if (method_ == AuthType::Md5) {
        const std::string hash =
            kind == SecretKind::Md5 ? std::string(secret) : md5_secret(secret, session_.user);
        is_right = md5_verify(hash, md5_salt_, password) &&
                   (kind == SecretKind::Md5 || kind == SecretKind::Plain);
    } else if (kind == SecretKind::Plain) {
        is_right = constant_time_equal(as_bytes(password), as_bytes(secret));
    } else if (kind == SecretKind::Md5) {
        is_right =
            constant_time_equal(as_bytes(md5_secret(password, session_.user)), as_bytes(secret));
    } else if (kind == SecretKind::Scram) {
        const ScramVerifier stored = *parse_scram_verifier(secret);
        const ScramVerifier given = make_scram_verifier(password, stored.salt, stored.iterations);
        is_right = constant_time_equal(given.stored_key, stored.stored_key);
    }
    if (!is_right || !is_user_known_) {
        return on_wrong_password(Error("28P01", "password authentication failed"));
    }
    guard_.on_right(session_);
    on_authenticated();
}

void ClientLogin::on_sasl(ByteView body) {
    Result<std::string> answer = std::string();
    AuthRequest request = AuthRequest::SaslContinue;
    if (scram_ == nullptr) {
        const auto initial = view_sasl_initial(body);
        if (!initial || initial->mechanism != "SCRAM-SHA-256") {
            return fail(Error("08P01", "invalid SASL initial response"));
        }
        std::array<uint8_t, 18> random{};
        secure_random(random);
        scram_ = std::make_unique<ScramServer>(scram_verifier(), make_scram_nonce(random));
        answer = scram_->on_client_first(initial->data);
    } else {
        if (is_turned_away()) return;
        answer = scram_->on_client_final(as_text(body));
        request = AuthRequest::SaslFinal;
    }
    if (!answer) {
        if (answer.error().sqlstate != "28P01") return fail(answer.error());
        return on_wrong_password(Error("28P01", "SASL authentication failed"));
    }
    std::string text;
    write_auth_request(text, request, as_bytes(*answer));
    if (request == AuthRequest::SaslContinue) return ctx_.clients->send(session_, text);
    if (!is_user_known_) return on_wrong_password(Error("28P01", "SASL authentication failed"));
    guard_.on_right(session_);
    session_.outbox.append(as_bytes(text));  // leaves with the welcome
    scram_keys_ = std::make_shared<ScramKeys>(scram_->keys());
    on_authenticated();
}

// ---- authenticated ----

void ClientLogin::on_authenticated() {
    if (is_console_) return welcome_console();
    if (!is_database_known_) return fail(Error("08P01", "no such database: " + session_.database));
    if (Status entered = enter_pool(); !entered) return fail(entered.error());
    ctx_.clients->refresh_timeouts(session_);
    if (const auto refusal = ctx_.routing->refusal(session_)) return fail(*refusal);
    if (auto known = session_.group->welcome()) return welcome(std::move(known));
    ctx_.leasing->request(session_);  // its server will tell; LoginWait until then
}

Status ClientLogin::enter_pool() {
    const Config& config = *ctx_.config;
    PoolSet& pools = ctx_.shared.pools;
    DatabaseState& state = pools.database(config, database_);
    if (state.disabled.load())
        return weir::fail("08P01", "database \"" + session_.database + "\" is disabled");
    if (!state.clients.try_reserve()) {
        return weir::fail("08P01", "no more connections allowed (max_db_client_connections)");
    }
    if (!pools.user(config, session_.user).clients.try_reserve()) {
        state.clients.release();
        return weir::fail("08P01", "no more connections allowed (max_user_client_connections)");
    }
    const std::string server_user = database_.user.value_or(session_.user);
    PoolGroup& group = pools.find_or_create(config, database_, server_user);
    group.clients.fetch_add(1, std::memory_order_relaxed);
    session_.group = &group;
    session_.pool = &group.first();
    session_.wanted = wanted_backends();
    session_.reason = RouteReason(session_.wanted);
    session_.pool_mode = effective_pool_mode(config, database_, session_.user);
    session_.may_split = may_split(session_.wanted, session_.pool_mode);
    ServerCredentials credentials;
    credentials.user = server_user;
    if (database_.password) {
        credentials.secret = SecretString(*database_.password);
    } else if (const std::string* secret = config.find_secret(server_user)) {
        credentials.secret = SecretString(*secret);
    }
    if (!database_.user && !database_.password) credentials.scram_keys = scram_keys_;
    group.set_credentials(std::move(credentials));
    return {};
}

// The client's word goes before its port's, and that before the user's and the database's.
TargetSessionAttrs ClientLogin::wanted_backends() const {
    const Config& config = *ctx_.config;
    if (wanted_attrs_) return *wanted_attrs_;
    if (!config.global.target_session_attrs_ports.empty() && !session_.is_unix) {
        const uint16_t port = ctx_.io.local_address(session_.fd).port();
        if (const auto wanted = port_target(config.global, port)) return *wanted;
    }
    return effective_target_session_attrs(config, database_, session_.user);
}

void ClientLogin::welcome_console() {
    std::string text;
    write_auth_request(text, AuthRequest::Ok);
    for (const auto& [name, value] : ctx_.shared.console->parameters()) {
        write_parameter_status(text, name, value);
    }
    finish(text, ClientPhase::Console);
}

void ClientLogin::welcome(std::shared_ptr<const Welcome> welcome) {
    session_.welcome = welcome;
    const ParameterNames& names = ctx_.shared.names;
    for (const auto& [name, value] : welcome->parameters) {
        if (const int index = names.index_of(name); index >= 0) {
            session_.parameters.set(static_cast<size_t>(index), value);
        }
    }
    for (const auto& [index, value] : wanted_)
        session_.parameters.set(index, value);
    const auto application = static_cast<size_t>(names.index_of("application_name"));
    ctx_.throttle->concern(session_, session_.parameters.get(application));
    if (ctx_.config->global.application_name_add_host) add_host();
    std::string text;
    write_auth_request(text, AuthRequest::Ok);
    for (const auto& [name, value] : welcome->parameters) {
        const int index = names.index_of(name);
        write_parameter_status(text, name,
                               index < 0 ? std::string_view(value)
                                         : session_.parameters.get(static_cast<size_t>(index)));
    }
    ctx_.counters(*session_.pool).client_logins.add(1);
    finish(text, ClientPhase::Idle);
}

// `app - 1.2.3.4:5`, cut to what PostgreSQL keeps of it.
void ClientLogin::add_host() {
    const auto index = static_cast<size_t>(ctx_.shared.names.index_of("application_name"));
    const std::string host = session_.is_unix
                                 ? "unix(" + std::to_string(ctx_.io.peer_pid(session_.fd)) + ")"
                                 : session_.peer.text();
    std::string name(session_.parameters.get(index));
    if (name.empty()) name = "app";
    session_.parameters.set(index, (name + " - " + host).substr(0, 63));
}

// As the start-up packet has it; the server's default is not known yet.
std::string_view ClientLogin::wanted_application_name() const {
    const auto name = static_cast<size_t>(ctx_.shared.names.index_of("application_name"));
    for (auto it = wanted_.rbegin(); it != wanted_.rend(); ++it) {
        if (it->first == name) return it->second;
    }
    return {};
}

void ClientLogin::finish(std::string& text, ClientPhase phase) {
    uint8_t random[4];
    secure_random(random);
    session_.cancel_secret = load_be32(random) | 1;  // never zero
    write_backend_key_data(text, make_cancel_key(session_));
    write_ready_for_query(text, TransactionStatus::Idle);
    ctx_.deadlines.disarm(session_);
    session_.phase = phase;
    session_.quiet_since = ctx_.now;
    session_.Waiter::ticket = 0;
    if (ctx_.config->global.log_connections) {
        log::info("C-{:#x}: {}/{}@{}:{} login attempt: db={} user={} tls=no", session_.id,
                  session_.database, session_.user, session_.peer.host(), session_.peer.port,
                  session_.database, session_.user);
    }
    ctx_.clients->retire_login(session_);
    const uint32_t life = session_.generation;
    ctx_.clients->send(session_, text);
    if (session_.generation != life) return;
    if (session_.timeouts.client_idle_ms != 0) ctx_.clients->arm(session_);
    ctx_.clients->schedule(session_);
}

}  // namespace weir
