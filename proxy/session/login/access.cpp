#include "proxy/session/login/access.h"

#include <algorithm>

#include "proxy/session/login/access_record.h"
#include "proxy/session/login/client_login.h"

namespace weir {

namespace {

bool is_on(const WorkerContext& ctx) {
    return ctx.shared.access != nullptr && ctx.shared.access->is_on();
}

AccessRecord record_of(const WorkerContext& ctx, const ClientSession& session) {
    AccessRecord out;
    out.client_id = session.id;
    out.user = session.user;
    out.database = session.database;
    out.application_name =
        session.parameters.get(static_cast<size_t>(ctx.shared.names.index_of("application_name")));
    if (session.is_unix) {
        out.address = "unix";
        out.port = static_cast<uint16_t>(ctx.config->global.listen_port);
        out.peer_pid = session.fd < 0 ? 0 : std::max(ctx.io.peer_pid(session.fd), 0);
    } else {
        out.address = session.peer.host();
        out.port = session.peer.port;
    }
    if (session.tls != nullptr && session.tls->is_established()) {
        out.tls = session.tls->description();
        const bool is_verified = session.tls->context()->verify() != TlsVerify::Nothing;
        if (is_verified) {
            if (const auto names = session.tls->names()) out.certificate = names->common_name;
        }
    }
    if (session.auth_method) out.method = access_method_name(*session.auth_method);
    if (session.replication != Replication::None) {
        out.replication = session.replication == Replication::Physical ? "physical" : "logical";
    }
    Clock& clock = ctx.shared.clock;
    out.connected_us = clock.wall_us(session.connected_at);
    if (!session.logged_in_at.is_never()) out.logged_in_us = clock.wall_us(session.logged_in_at);
    out.now_us = clock.wall_us(ctx.now);
    out.tally = session.tally;
    return out;
}

}  // namespace

std::string_view access_method_name(AuthMethod method) {
    switch (method) {
        case AuthMethod::Any: return "any";
        case AuthMethod::Trust: return "trust";
        case AuthMethod::Reject: return "reject";
        case AuthMethod::Plain: return "plain";
        case AuthMethod::Md5: return "md5";
        case AuthMethod::ScramSha256: return "scram-sha-256";
        case AuthMethod::Cert: return "cert";
        case AuthMethod::Peer: return "peer";
        case AuthMethod::Ldap: return "ldap";
        case AuthMethod::Pam: return "pam";
    }
    return "unknown";  // uncovered: every enumerator is above
}

void note_login(WorkerContext& ctx, ClientSession& session) {
    session.logged_in_at = ctx.now;
    if (!is_on(ctx)) return;
    AccessRecord record = record_of(ctx, session);
    record.event = AccessRecord::Event::Login;
    ctx.shared.access->note(record);
}

void note_end(WorkerContext& ctx, const ClientSession& session, std::string_view reason,
              std::string_view sqlstate) {
    if (!is_on(ctx) || session.phase == ClientPhase::CancelRequest) return;
    const bool was_in = !session.logged_in_at.is_never();
    if (session.phase == ClientPhase::Startup && session.tls == nullptr) return;
    AccessRecord record = record_of(ctx, session);
    record.event = was_in ? AccessRecord::Event::Disconnect : AccessRecord::Event::Refused;
    record.reason = reason;
    record.sqlstate = sqlstate;
    if (record.application_name.empty() && session.login != nullptr)
        record.application_name = session.login->wanted_application_name();
    ctx.shared.access->note(record);
}

}  // namespace weir
