#include "proxy/takeover/adopt_session.h"

#include <cstring>

#include "proxy/session/clients.h"
#include "proxy/session/login/client_login.h"
#include "proxy/takeover/same_members.h"

namespace weir {

void take_basics(const HandedSession& handed, ClientSession& session, WorkerContext& ctx) {
    copy_login(handed, session);
    session.writes = !handed.outbox.empty();
    session.may_be_direct = handed.phase == HandedPhase::Startup && handed.held.empty() &&
                            !handed.is_unix && ctx.tls->client != nullptr;
    session.peer_id = static_cast<uint16_t>(handed.peer_id);
    constexpr auto kMethods = static_cast<uint32_t>(AuthMethod::Pam) + 1;
    if (handed.auth_method >= 1 && handed.auth_method <= kMethods)
        session.auth_method = static_cast<AuthMethod>(handed.auth_method - 1);
    session.tally = {handed.transactions, handed.queries, handed.bytes_received, handed.bytes_sent};
    std::memcpy(&session.peer, handed.peer.data(), sizeof session.peer);
    session.parser.set_length_max(ctx.config->global.max_packet_size);
    session.parser.set_position(handed.parser);
    session.whole_bytes = handed.whole_bytes;
    session.held.append(as_bytes(std::string_view(handed.held)));
    session.outbox.append(as_bytes(std::string_view(handed.outbox)));
    if (handed.holds_client_units) {
        session.holds_client_units = true;
        ctx.shared.pools.clients.take();
    }
    if (handed.login) {
        session.login = std::make_unique<ClientLogin>(ctx, session);
        ctx.shared.logins.fetch_add(1, std::memory_order_relaxed);
        session.login->resume(*handed.login);
    }
}

void watch(ClientSession& session, WorkerContext& ctx) {
    ctx.io.add(session.fd, Clients::watch_of(session), WorkerContext::interest(session));
}

ClientSession& take_slot(WorkerContext& ctx) {
    ClientSession& session = ctx.clients_slab.take();
    session.Waiter::client = {session.slot, session.generation, ctx.id};
    ctx.client_count.fetch_add(1, std::memory_order_relaxed);
    return session;
}

namespace {

void take_late(const HandedSession& handed, WorkerContext& ctx) {
    const bool is_visitor = handed.phase == HandedPhase::Startup;
    const bool is_right = (is_visitor || handed.phase == HandedPhase::Authenticated) &&
                          handed.login && handed.peer.size() == sizeof(PeerAddress);
    if (!is_right) return ctx.io.close(handed.fd);
    ClientSession& session = take_slot(ctx);
    take_basics(handed, session, ctx);
    session.phase = is_visitor ? ClientPhase::Startup : ClientPhase::Authenticating;
    watch(session, ctx);
    ctx.clients->arm(session);
    ctx.clients->schedule(session);
    session.login->go_on();
}

}  // namespace

void adopt_late(const HandedSession& handed, WorkerContext& ctx) {
    take_late(handed, ctx);
    ctx.shared.in_transit.fetch_sub(1);  // it is in our hands now, or closed
}

}  // namespace weir
