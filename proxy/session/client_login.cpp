#include "proxy/session/client_login.h"

#include <algorithm>

#include "conf/limits.h"
#include "conf/logging.h"
#include "conf/port_targets.h"
#include "protocol/message/writer.h"
#include "proxy/session/cancels.h"
#include "proxy/session/clients.h"
#include "proxy/session/leasing.h"
#include "proxy/session/log_peer.h"
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
    return session_.phase == ClientPhase::Startup ? on_startup(input)
                                                  : authentication_.on_bytes(input);
}

void ClientLogin::note_handshake() {
    if (handshake_began_at_.is_never() || !session_.tls->is_established()) return;
    ctx_.stats.client_tls_handshakes.record(ctx_.now - handshake_began_at_);
    handshake_began_at_ = {};
}

void ClientLogin::welcome(std::shared_ptr<const Welcome> welcome) {
    welcome_client(ctx_, session_, std::move(welcome), wanted_);
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
            answer_encryption_request(packet->kind == StartupPacket::Kind::SslRequest);
            return *total;
        case StartupPacket::Kind::Cancel:
            ctx_.cancels->on_request(session_, packet->cancel_key);
            return input.size();
        case StartupPacket::Kind::Startup: on_startup_message(*packet); return *total;
    }
    return *total;
}

void ClientLogin::answer_encryption_request(bool is_for_tls) {
    if (is_for_tls && session_.tls != nullptr) return fail(Error("08P01", "SSL req inside SSL"));
    const TlsContextPtr& tls = ctx_.tls->client;
    if (!is_for_tls || tls == nullptr || session_.is_unix) return ctx_.clients->send(session_, "N");
    const uint32_t life = session_.generation;
    ctx_.clients->send(session_, "S");
    if (session_.generation != life) return;
    // The answer itself goes out in the clear.
    if (!session_.outbox.empty()) return ctx_.clients->close(session_, "client connection lost");
    ctx_.clients->accept_tls(session_, false);
}

// The certificate, which is only asked for to be verified.
void ClientLogin::take_identity() {
    const bool is_verified =
        session_.tls != nullptr && session_.tls->context()->verify() != TlsVerify::Nothing;
    if (!is_verified) return;
    if (std::optional<CertificateNames> names = session_.tls->names()) {
        PeerIdentity& identity = authentication_.identity;
        identity.has_certificate = true;
        identity.common_name = std::move(names->common_name);
        identity.alternative_names = std::move(names->dns_names);
    }
}

void ClientLogin::on_startup_message(const StartupPacket& packet) {
    session_.phase = ClientPhase::Authenticating;
    if (log::is_enabled(LogLevel::Debug)) {
        for (const auto& [name, value] : packet.parameters) {
            if (name == "application_name") {
                log::debug(log_peer(ctx_, session_), "using application_name: {}", value);
            } else {
                log::debug(log_peer(ctx_, session_), "got var: {}={}", name, value);
            }
        }
    }
    const bool is_plain = session_.tls == nullptr && !session_.is_unix;
    if (is_plain && ctx_.config->global.client_tls_sslmode >= SslMode::Require)
        return fail(Error("08P01", "SSL required"));
    take_identity();
    const Negotiation negotiation = negotiate(packet);
    session_.has_long_key = negotiation.version == kProtocol32;
    if (negotiation.needed) {
        std::string text;
        write_negotiate_protocol_version(text, negotiation.version, negotiation.unknown_options);
        session_.outbox.append(as_bytes(text));
    }
    session_.user = packet.find("user");
    session_.database = packet.find("database");
    if (session_.user.empty()) return fail(Error("08P01", "no username supplied"));
    if (session_.user.size() > kUserNameBytesMax) return fail(Error("08P01", "username too long"));
    if (session_.database.empty()) session_.database = session_.user;
    if (Status taken = take_parameters(packet); !taken) return fail(taken.error());
    enter_database();
}

Status ClientLogin::take_parameters(const StartupPacket& packet) {
    if (packet.has("replication")) {
        const Result<Replication> replication = parse_replication(packet.find("replication"));
        if (!replication) return tl::unexpected<Error>(replication.error());
        session_.replication = *replication;
    }
    for (const auto& [name, value] : packet.parameters) {
        if (name == "user" || name == "database" || name == "replication" ||
            name.starts_with("_pq_."))
            continue;
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
    return tl::unexpected<Error>(
        Error("08P01", "unsupported startup parameter: " + std::string(name)));
}

Status ClientLogin::take_options(std::string_view text) {
    if (session_.replication != Replication::None) {
        replication_options_ = text;  // its server is its own: whatever it takes is allowed
        return {};
    }
    // Other text is refused even where unknown settings are ignored, as in PgBouncer.
    const auto settings = parse_startup_options(text);
    if (!settings) return tl::unexpected<Error>(settings.error());
    for (const auto& [name, value] : *settings) {
        if (Status taken = take_parameter(name, value, true); !taken) return taken;
    }
    return {};
}

// ---- the database ----

void ClientLogin::enter_database() {
    const Config& config = *ctx_.config;
    VirtualDatabase* console = ctx_.shared.console;
    if (console != nullptr && console->owns(session_.database)) {
        is_console_ = true;
        session_.replication = Replication::None;
        // PgBouncer's rule: its own system user, on the Unix socket, as user `pgbouncer`, is the
        // administrator.
        if (session_.is_unix && session_.user == kOwnUserName &&
            ctx_.io.is_same_user(session_.fd)) {
            session_.is_admin = true;
            session_.auth_method = AuthMethod::Peer;
            log_attempt();
            return on_authenticated();
        }
        log_attempt();
        const VirtualDatabase::Admission admission = console->admit(config, session_.user);
        if (!admission.is_allowed) return fail(Error("08P01", "not allowed"));
        session_.is_admin = admission.is_admin;
    } else {
        if (ctx_.shared.is_shutting_down.load() &&
            (session_.is_unix || !ctx_.shared.serves_late_clients.load()))
            return fail(Error("57P03", "pooler is shutting down"));
        const Status limited = ctx_.throttle->may_log_in(session_, wanted_application_name());
        if (!limited) return fail(limited.error());
        if (Status reserved = reserve_client(); !reserved) return fail(reserved.error());
        database_ = config.find_database(session_.database);
        log_attempt();
    }
    authenticate();
}

void ClientLogin::authenticate() {
    authentication_.begin(
        {.database = database_ ? &*database_ : nullptr, .is_console = is_console_});
}

// Before anybody is asked for a password, as PgBouncer has it.
void ClientLogin::log_attempt() const {
    if (!ctx_.config->global.log_connections) return;
    const bool is_physical = session_.replication == Replication::Physical;
    const char* replication = is_physical ? "yes" : "database";
    if (session_.replication == Replication::None) replication = "no";
    log::info(log_peer(ctx_, session_), "login attempt: db={} user={} tls={} replication={}",
              session_.database, session_.user,
              session_.tls == nullptr ? "no" : session_.tls->description(), replication);
}

Status ClientLogin::reserve_client() {
    PoolSet& pools = ctx_.shared.pools;
    if (!pools.clients.try_reserve()) {
        return weir::fail("08P01", "no more connections allowed (max_client_conn)");
    }
    session_.holds_client_units = true;
    return {};
}

// ---- authenticated ----

void ClientLogin::on_authenticated() {
    Successor* successor = ctx_.shared.successor.load(std::memory_order_acquire);
    if (successor != nullptr && successor->follow(ctx_, session_)) return;
    if (is_console_) return welcome_to_console(ctx_, session_);
    if (!database_) return fail(Error("08P01", "no such database: " + session_.database));
    if (Status entered = enter_pool(); !entered) return fail(entered.error());
    ctx_.clients->refresh_timeouts(session_);
    if (const auto refusal = ctx_.routing->refusal(session_)) return fail(*refusal);
    session_.wants_dedicated = session_.replication != Replication::None;
    if (!session_.wants_dedicated) {
        if (auto known = session_.group->welcome()) return welcome(std::move(known));
    }
    ctx_.leasing->request(session_);  // its server will tell; LoginWait until then
}

Status ClientLogin::enter_pool() {
    const Config& config = *ctx_.config;
    const std::string server_user = database_->user.value_or(session_.user);
    const Result<PoolGroup*> entered =
        ctx_.shared.pools.enter(config, *database_, session_.user, server_user);
    if (!entered) return tl::unexpected<Error>(entered.error());
    PoolGroup& group = **entered;
    session_.group = &group;
    session_.pool = &group.first();
    session_.wanted = wanted_backends();
    session_.reason = RouteReason(session_.wanted);
    session_.pool_mode = session_.replication == Replication::None
                             ? effective_pool_mode(config, *database_, session_.user)
                             : PoolMode::Session;
    session_.may_split = may_split(session_.wanted, session_.pool_mode);
    ServerCredentials credentials;
    credentials.user = server_user;
    if (database_->password) {
        credentials.secret = SecretString(*database_->password);
    } else if (!database_->user && !authentication_.secret().empty()) {
        credentials.secret = authentication_.secret();
    } else if (const std::string* secret = config.find_secret(server_user)) {
        credentials.secret = SecretString(*secret);
    }
    if (!database_->user && !database_->password) {
        credentials.scram_keys = authentication_.scram_keys();
    }
    group.set_credentials(std::move(credentials));
    group.first().wake();  // min_pool_size may ask for connections now
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
    const TargetSessionAttrs wanted =
        effective_target_session_attrs(config, *database_, session_.user);
    // Its slots, and what it is to be told, are on the primary.
    const bool is_free = wanted == TargetSessionAttrs::Any && is_routed(config, *database_);
    return is_free && session_.replication != Replication::None ? TargetSessionAttrs::Primary
                                                                : wanted;
}

std::vector<std::pair<std::string, std::string>> ClientLogin::server_parameters() const {
    const ParameterNames& names = ctx_.shared.names;
    std::vector<std::pair<std::string, std::string>> out;
    const bool is_physical = session_.replication == Replication::Physical;
    out.emplace_back("replication", is_physical ? "true" : "database");
    if (!replication_options_.empty()) out.emplace_back("options", replication_options_);
    for (const auto& [index, value] : wanted_)
        out.emplace_back(names.name(index), value);
    if (ctx_.config->global.application_name_add_host) {
        out.emplace_back("application_name",
                         name_with_host(ctx_, session_, wanted_application_name()));
    }
    return out;
}

// As the start-up packet has it; the server's default is not known yet.
std::string_view ClientLogin::wanted_application_name() const {
    const auto name = static_cast<size_t>(ctx_.shared.names.index_of("application_name"));
    for (auto it = wanted_.rbegin(); it != wanted_.rend(); ++it) {
        if (it->first == name) return it->second;
    }
    return {};
}

}  // namespace weir
