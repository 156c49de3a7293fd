#include "proxy/session/welcome.h"

#include "conf/logging.h"
#include "protocol/base/random.h"
#include "protocol/message/writer.h"
#include "proxy/session/cancels.h"
#include "proxy/session/clients.h"
#include "proxy/session/throttle.h"

namespace weir {

namespace {

// `app - 1.2.3.4:5`, cut to what PostgreSQL keeps of it.
void add_host(WorkerContext& ctx, ClientSession& session) {
    const auto index = static_cast<size_t>(ctx.shared.names.index_of("application_name"));
    const std::string host = session.is_unix
                                 ? "unix(" + std::to_string(ctx.io.peer_pid(session.fd)) + ")"
                                 : session.peer.text();
    std::string name(session.parameters.get(index));
    if (name.empty()) name = "app";
    session.parameters.set(index, (name + " - " + host).substr(0, 63));
}

void finish(WorkerContext& ctx, ClientSession& session, std::string& text, ClientPhase phase) {
    uint8_t random[4];
    secure_random(random);
    session.cancel_secret = load_be32(random) | 1;  // never zero
    write_backend_key_data(text, make_cancel_key(session));
    write_ready_for_query(text, TransactionStatus::Idle);
    ctx.deadlines.disarm(session);
    session.phase = phase;
    session.quiet_since = ctx.now;
    session.Waiter::ticket = 0;
    if (ctx.config->global.log_connections) {
        log::info("C-{:#x}: {}/{}@{}:{} login attempt: db={} user={} tls=no", session.id,
                  session.database, session.user, session.peer.host(), session.peer.port,
                  session.database, session.user);
    }
    ctx.clients->retire_login(session);
    const uint32_t life = session.generation;
    ctx.clients->send(session, text);
    if (session.generation != life) return;
    if (session.timeouts.client_idle_ms != 0) ctx.clients->arm(session);
    ctx.clients->schedule(session);
}

}  // namespace

void welcome_client(WorkerContext& ctx, ClientSession& session,
                    std::shared_ptr<const Welcome> welcome, const WantedParameters& wanted) {
    session.welcome = welcome;
    const ParameterNames& names = ctx.shared.names;
    for (const auto& [name, value] : welcome->parameters) {
        if (const int index = names.index_of(name); index >= 0) {
            session.parameters.set(static_cast<size_t>(index), value);
        }
    }
    for (const auto& [index, value] : wanted)
        session.parameters.set(index, value);
    const auto application = static_cast<size_t>(names.index_of("application_name"));
    ctx.throttle->concern(session, session.parameters.get(application));
    if (ctx.config->global.application_name_add_host) add_host(ctx, session);
    std::string text;
    write_auth_request(text, AuthRequest::Ok);
    for (const auto& [name, value] : welcome->parameters) {
        const int index = names.index_of(name);
        write_parameter_status(text, name,
                               index < 0 ? std::string_view(value)
                                         : session.parameters.get(static_cast<size_t>(index)));
    }
    ctx.counters(*session.pool).client_logins.add(1);
    finish(ctx, session, text, ClientPhase::Idle);
}

void welcome_to_console(WorkerContext& ctx, ClientSession& session) {
    std::string text;
    write_auth_request(text, AuthRequest::Ok);
    for (const auto& [name, value] : ctx.shared.console->parameters()) {
        write_parameter_status(text, name, value);
    }
    finish(ctx, session, text, ClientPhase::Console);
}

}  // namespace weir
