#include "proxy/session/login/welcome.h"

#include "protocol/base/random.h"
#include "protocol/message/writer.h"
#include "proxy/session/cancel/cancels.h"
#include "proxy/session/clients.h"
#include "proxy/session/log_peer.h"
#include "proxy/session/login/access.h"
#include "proxy/session/throttle.h"

namespace weir {

namespace {

void finish(WorkerContext& ctx, ClientSession& session, std::string& text, ClientPhase phase) {
    uint8_t random[4];
    secure_random(random);
    session.cancel_secret = load_be32(random) | 1;  // never zero
    session.peer_id = static_cast<uint16_t>(ctx.config->global.peer_id);
    write_backend_key_data(text, cancel_key_of(ctx, session));
    const std::string& notice = ctx.config->global.login_notify_message;
    if (phase != ClientPhase::Console && !notice.empty())
        write_notice(text, {.severity = "NOTICE", .sqlstate = "00000", .message = notice});
    write_ready_for_query(text, TransactionStatus::Idle);
    ctx.deadlines.disarm(session);
    session.phase = phase;
    session.quiet_since = ctx.now;
    session.Waiter::ticket = 0;
    if (log::is_enabled(LogLevel::Debug)) log::debug(log_peer(ctx, session), "logged in");
    note_login(ctx, session);
    ctx.clients->retire_login(session);
    const uint32_t life = session.generation;
    ctx.clients->send(session, text);
    if (session.generation != life) return;
    if (session.timeouts.client_idle_ms != 0 || phase == ClientPhase::Active)
        ctx.clients->arm(session);
    ctx.clients->schedule(session);
}

// The server's values, and above them the client's wishes.
void take_parameters(const ParameterNames& names, ClientSession& session, const Welcome& welcome,
                     const WantedParameters& wanted) {
    for (const auto& [name, value] : welcome.parameters) {
        if (const int index = names.index_of(name); index >= 0) {
            session.parameters.set(static_cast<size_t>(index), value);
        }
    }
    for (const auto& [index, value] : wanted)
        session.parameters.set(index, value);
}

}  // namespace

std::string name_with_host(WorkerContext& ctx, const ClientSession& session,
                           std::string_view application_name) {
    const std::string host = session.is_unix
                                 ? "unix(" + std::to_string(ctx.io.peer_pid(session.fd)) + ")"
                                 : session.peer.text();
    std::string name(application_name);
    if (name.empty()) name = "app";
    return (name + " - " + host).substr(0, 63);
}

void welcome_client(WorkerContext& ctx, ClientSession& session,
                    std::shared_ptr<const Welcome> welcome, const WantedParameters& wanted) {
    session.welcome = welcome;
    const ParameterNames& names = ctx.shared.names;
    const bool has_server = session.server != nullptr;
    if (!has_server) take_parameters(names, session, *welcome, wanted);
    const auto application = static_cast<size_t>(names.index_of("application_name"));
    const std::string application_name(session.parameters.get(application));
    ctx.throttle->concern(session, application_name);
    if (!has_server && ctx.config->global.application_name_add_host)
        session.parameters.set(application, name_with_host(ctx, session, application_name));
    std::string text;
    write_auth_request(text, AuthRequest::Ok);
    for (const auto& [name, value] : welcome->parameters) {
        const int index = names.index_of(name);
        write_parameter_status(text, name,
                               index < 0 ? std::string_view(value)
                                         : session.parameters.get(static_cast<size_t>(index)));
    }
    ctx.counters(*session.pool).client_logins.add(1);
    ctx.stats.client_logins.record(ctx.now - session.connected_at);
    finish(ctx, session, text, has_server ? ClientPhase::Active : ClientPhase::Idle);
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
