#include "proxy/session/farewell.h"

#include "protocol/message/writer.h"
#include "proxy/session/cancel/cancels.h"
#include "proxy/session/leak_watch.h"
#include "proxy/session/servers.h"

namespace weir {

void Farewell::begin(ServerConnection& server, const std::optional<Error>& failure) {
    ctx_.sends.settle(server.fd);
    const bool may_have_process = server.fd >= 0 && server.phase != ServerPhase::Connecting &&
                                  server.phase != ServerPhase::Securing;
    const bool is_left = failure && !server.has_said_why;
    if (failure) server.failure = std::make_unique<Error>(*failure);
    if (server.phase == ServerPhase::Closing || !may_have_process || is_left ||
        server.is_stream_over) {
        return finish(server);
    }
    // In the middle of a message, the end of the stream must do.
    if (server.is_clean()) {
        std::string terminate;
        write_empty(terminate, FrontendTag::Terminate);
        const ssize_t sent = ctx_.channel(server).send(as_bytes(terminate));
        if (sent < 0) return finish(server);
        ctx_.channel(server).finish();
    } else {
        ctx_.io.shutdown_send(server.fd);
    }
    server.outbox.clear();
    server.pool->announce_leaving(server);
    server.phase = ServerPhase::Closing;
    ctx_.servers->set_interest(server, true, false);
    ctx_.deadlines.arm(server, ctx_.now + kWaitMax);
    const bool is_running = server.tracker.pending() > 0 && server.backend_key.is_set();
    if (is_running && !server.is_cancel_sent) ctx_.cancels->start(server, {});
}

void Farewell::on_readable(ServerConnection& server) {
    const std::span<uint8_t> into(ctx_.input.get(), WorkerContext::kInputBytes);
    for (int rounds = 0; rounds < 4; ++rounds) {
        const ssize_t n = ctx_.io.receive(server.fd, into);
        if (n == -EAGAIN) return;
        if (n <= 0) return finish(server);
    }
    ctx_.come_back(Servers::watch_of(server));
}

void Farewell::finish(ServerConnection& server) {
    std::optional<Error> failure;
    if (server.failure != nullptr) failure = std::move(*server.failure);
    ctx_.cancels->forget(server);
    ctx_.leaks->on_parting(server);
    ctx_.deadlines.disarm(server);
    if (server.OwnedHook::is_linked()) ctx_.owned.remove(server);
    if (server.fd >= 0) {
        if (server.registered_with != kNoWorker && server.registered_with != ctx_.id) {
            ctx_.shared.exchange.io(server.registered_with).remove(server.fd);
        }
        ctx_.io.close(server.fd);
    }
    const Pool::Retired retired = server.pool->retire(server, ctx_.id, ctx_.now, failure);
    for (const Grant& waiter : retired.failed) {
        WorkerMessage message;
        message.kind = WorkerMessage::Kind::WaitFailed;
        message.grant = waiter;
        message.sqlstate = failure->sqlstate;
        message.text = failure->message;
        ctx_.shared.exchange.post(waiter.client.worker, std::move(message));
    }
    if (retired.relieves) {
        ControlMessage message;
        message.kind = ControlMessage::Kind::Evict;
        ctx_.shared.exchange.post_control(std::move(message));
    }
    if (retired.open != nullptr) ctx_.servers->open(*retired.open);
}

}  // namespace weir
