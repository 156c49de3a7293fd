#include "proxy/worker.h"

#include "proxy/session/login/client_login.h"
#include "proxy/takeover/adopt_session.h"

namespace weir {

Worker::Worker(WorkerId id, Shared& shared, Io& io, ConfigPtr config)
    : ctx_(id, shared, io, std::move(config)) {
    ctx_.clients = &clients_;
    ctx_.leasing = &leasing_;
    ctx_.routing = &routing_;
    ctx_.servers = &servers_;
    ctx_.relay = &relay_;
    ctx_.splitting = &splitting_;
    ctx_.cancels = &cancels_;
    ctx_.peer_cancels = &peer_cancels_;
    ctx_.draining = &draining_;
    ctx_.throttle = &throttle_;
    ctx_.leaks = &leaks_;
    ctx_.recorder = &recorder_;
    ctx_.lookups = &lookups_;
    ctx_.secrets = &lookups_;
    ctx_.dedicated = &dedicated_;
}

Worker::~Worker() = default;

void Worker::on_event(const IoEvent& event, bool more_come) {
    if (more_come) ctx_.sends.hold();
    switch (event.watch.kind()) {
        case Watch::Kind::Client:
            clients_.on_event(*event.watch.object<ClientSession>(), event);
            break;
        case Watch::Kind::Server:
            servers_.on_event(*event.watch.object<ServerConnection>(), event);
            break;
        case Watch::Kind::Cancel:
            cancels_.on_event(*event.watch.object<CancelConnection>(), event);
            break;
        case Watch::Kind::Peer:
            peer_cancels_.on_event(*event.watch.object<PeerConnection>(), event);
            break;
        default: break;
    }
    run_pending();
}

void Worker::on_grant(const Grant& grant) {
    release_sends();
    leasing_.on_grant(grant);
    run_pending();
}

void Worker::run_pending() {
    while (true) {
        clients_.run_scheduled();
        routing_.look_after_held();
        if (ctx_.grants.empty() && ctx_.ready.empty()) return;
        ctx_.grants_running.swap(ctx_.grants);
        for (const Grant& grant : ctx_.grants_running)
            leasing_.on_grant(grant);
        ctx_.grants_running.clear();
    }
}

void Worker::on_time() {
    release_sends();
    ctx_.deadlines.expire(ctx_.now, [this](Deadline& entry) {
        switch (entry.kind) {
            case Deadline::Kind::Client:
                clients_.on_deadline(static_cast<ClientSession&>(entry));
                break;
            case Deadline::Kind::Server:
                servers_.on_deadline(static_cast<ServerConnection&>(entry));
                break;
            case Deadline::Kind::Cancel:
                cancels_.on_deadline(static_cast<CancelConnection&>(entry));
                break;
            case Deadline::Kind::Peer:
                peer_cancels_.on_deadline(static_cast<PeerConnection&>(entry));
                break;
            case Deadline::Kind::Lookup:
                lookups_.on_deadline(static_cast<SecretLookup&>(entry));
                break;
        }
    });
    leaks_.on_time();
    run_pending();
    read_unread();
}

// In a round of its own, so that nobody else has to wait for one that sends without end.
void Worker::read_unread() {
    if (ctx_.unread.empty()) return;
    ctx_.unread_running.swap(ctx_.unread);
    for (const Watch& watch : ctx_.unread_running)
        on_event({.watch = watch, .readable = true, .ended = true}, false);
    ctx_.unread_running.clear();
}

void Worker::release_sends() {
    ctx_.sends.release();
    if (!ctx_.sends.has_cut_short()) [[likely]]
        return;
    for (const Watch& owner : ctx_.sends.take_cut_short()) {
        if (owner.kind() == Watch::Kind::Client) {
            clients_.on_cut_short(*owner.object<ClientSession>(), owner.generation());
        } else {
            servers_.on_cut_short(*owner.object<ServerConnection>(), owner.generation());
        }
    }
}

void Worker::on_message(WorkerMessage& message) {
    release_sends();  // the session may go to other hands
    switch (message.kind) {
        case WorkerMessage::Kind::NewClient: clients_.accept(message.fd, message.address); break;
        case WorkerMessage::Kind::WaitFailed:
            leasing_.on_wait_failed(message.grant, Error(message.sqlstate, message.text));
            break;
        case WorkerMessage::Kind::OpenServer: servers_.open(*message.server); break;
        case WorkerMessage::Kind::CloseServer:
            servers_.on_close_request(*message.server, message.server_id, message.text);
            break;
        case WorkerMessage::Kind::Cancel:
            cancels_.carry_out(message.client.slot, message.cancel_key, message.requester);
            break;
        case WorkerMessage::Kind::PeerCancel:
            peer_cancels_.forward(static_cast<int>(message.number), message.cancel_key,
                                  message.requester);
            break;
        case WorkerMessage::Kind::CancelDone:
            cancels_.on_done(message.requester, message.text);
            break;
        case WorkerMessage::Kind::CancelUnknown:
            cancels_.on_unknown_key(message.requester, message.cancel_key);
            break;
        case WorkerMessage::Kind::ConfigChanged: on_config(std::move(message.config)); break;
        case WorkerMessage::Kind::LoginAnswer: clients_.on_login_answer(*message.answer); break;
        case WorkerMessage::Kind::Resolved:
            servers_.on_resolved();
            peer_cancels_.on_resolved();
            break;
        case WorkerMessage::Kind::RoutesChanged: routing_.on_routes_changed(); break;
        case WorkerMessage::Kind::Snapshot:
            message.sink->deliver(ctx_.id,
                                  message.flag ? holdings() : snapshot(message.with_details));
            break;
        case WorkerMessage::Kind::Census:
            message.sink->deliver(ctx_.id, census(message.asked_at));
            break;
        case WorkerMessage::Kind::LookForLeaks: leaks_.look(); break;
        case WorkerMessage::Kind::ConsoleReply: {
            ClientSession* session =
                ctx_.clients_slab.find(message.client.slot, message.client.generation);
            if (session == nullptr || session->phase != ClientPhase::Console) break;
            clients_.reply_console(*session, message);
            break;
        }
        case WorkerMessage::Kind::KillDatabase: kill(message); break;
        case WorkerMessage::Kind::CloseObsolete:
            dedicated_.close_obsolete();
            relay_.close_obsolete();
            break;
        case WorkerMessage::Kind::KillClient: message.tally->deliver(kill_client(message)); break;
        case WorkerMessage::Kind::Hold:
            message.tally->deliver(standstill_.hold(message.flag));
            break;
        case WorkerMessage::Kind::Release: standstill_.release(); break;
        case WorkerMessage::Kind::CloseWaiting: close_waiting(message.text); break;
        case WorkerMessage::Kind::SendAway: draining_.on_progress(message.number); break;
        case WorkerMessage::Kind::Detach: detach(message.client); break;
        case WorkerMessage::Kind::Adopted: go_on(); break;
        case WorkerMessage::Kind::AdoptLate: adopt_late(*message.late, ctx_); break;
        case WorkerMessage::Kind::Park:
        case WorkerMessage::Kind::Move:
        case WorkerMessage::Kind::StopAccepting: break;  // the thread's business
        case WorkerMessage::Kind::Stop: stop(); break;
    }
    run_pending();
}

void Worker::stop() {
    clients_.close_all("shutting down");
    lookups_.close_all();
    servers_.close_all();
    cancels_.close_all();
    peer_cancels_.close_all();
    is_stopped_ = true;
}

void Worker::on_config(ConfigPtr config) {
    ctx_.config = std::move(config);
    ctx_.tls = ctx_.shared.tls.get();
    throttle_.on_config();
    leaks_.configure();
    recorder_.configure();
    for (uint32_t slot = 0; slot < ctx_.clients_slab.capacity(); ++slot) {
        ClientSession& session = *ctx_.clients_slab.at(slot);
        if (session.phase == ClientPhase::Free || session.phase == ClientPhase::Closing) continue;
        session.parser.set_length_max(ctx_.config->global.max_packet_size);
        if (session.pool == nullptr) continue;
        clients_.refresh_timeouts(session);
        clients_.arm(session);
        throttle_.on_config(session);
    }
}

// Only for ourselves, which a port cannot tell: the descriptors of everybody are given away by it.
void Worker::detach(ClientId client) {
    ClientSession* session = ctx_.clients_slab.find(client.slot, client.generation);
    if (session == nullptr || session->phase != ClientPhase::Console) return;
    const bool is_ours = session->is_unix && session->is_admin && session->outbox.empty() &&
                         ctx_.io.is_same_user(session->fd);
    if (!is_ours) {
        return clients_.fail(*session,
                             Error("42501",
                                   "only the system user that runs this process may take over, "
                                   "by its Unix socket"));
    }
    ControlMessage message;
    message.kind = ControlMessage::Kind::Detached;
    message.fd = clients_.detach(*session);
    ctx_.shared.exchange.post_control(std::move(message));
}

// Logins that another process had got to the proof of who it is; what was scheduled follows.
void Worker::go_on() {
    for (uint32_t slot = 0; slot < ctx_.clients_slab.capacity(); ++slot) {
        ClientSession& session = *ctx_.clients_slab.at(slot);
        if (session.login != nullptr) session.login->go_on();
    }
}

// text = the database, empty = all; text2 = why.
void Worker::kill(const WorkerMessage& message) {
    const auto is_meant = [&](const Pool* pool) {
        return pool != nullptr && (message.text.empty() || pool->key().database == message.text);
    };
    for (uint32_t slot = 0; slot < ctx_.clients_slab.capacity(); ++slot) {
        ClientSession& session = *ctx_.clients_slab.at(slot);
        if (session.phase == ClientPhase::Free || session.phase == ClientPhase::Closing) continue;
        if (!is_meant(session.pool)) continue;
        clients_.fail(session, Error("08P01", message.text2));
    }
    // The servers go, too, whatever they were doing.
    std::vector<ServerConnection*> mine;
    for (ServerConnection* server = ctx_.owned.front(); server != nullptr;
         server = ctx_.owned.next(*server)) {
        if (server->phase != ServerPhase::Closing && is_meant(server->pool)) mine.push_back(server);
    }
    for (ServerConnection* server : mine) {
        if (server->OwnedHook::is_linked()) servers_.close(*server, message.text2);
    }
}

// Gives how many there were: 0 or 1. Those of SHOW CLIENTS, that is, who has logged in.
size_t Worker::kill_client(const WorkerMessage& message) {
    for (uint32_t slot = 0; slot < ctx_.clients_slab.capacity(); ++slot) {
        ClientSession& session = *ctx_.clients_slab.at(slot);
        if (session.phase == ClientPhase::Free || session.phase == ClientPhase::Closing) continue;
        const bool is_meant =
            session.id == message.server_id || (session.id & kShownIdBits) == message.server_id;
        if (is_before_welcome(session.phase) || !is_meant) continue;
        clients_.fail(session, Error("08P01", message.text));
        return 1;
    }
    return 0;
}

void Worker::close_waiting(const std::string& reason) {
    for (uint32_t slot = 0; slot < ctx_.clients_slab.capacity(); ++slot) {
        ClientSession& session = *ctx_.clients_slab.at(slot);
        const bool waits =
            session.phase == ClientPhase::Waiting || session.phase == ClientPhase::LoginWait ||
            session.phase == ClientPhase::Throttled || session.phase == ClientPhase::AuthWait ||
            session.phase == ClientPhase::Refused;
        if (waits) clients_.fail(session, Error("08P01", reason));
    }
}

}  // namespace weir
