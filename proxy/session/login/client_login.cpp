#include "proxy/session/login/client_login.h"

#include "conf/logging.h"
#include "conf/port_targets.h"
#include "proxy/session/clients.h"
#include "proxy/session/leasing.h"
#include "proxy/session/log_peer.h"
#include "proxy/session/routing.h"
#include "proxy/session/throttle.h"

namespace weir {

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
