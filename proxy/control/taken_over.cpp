#include "proxy/control/taken_over.h"

#include <utility>

#include "conf/logging.h"

namespace weir {

Status TakenOver::take(std::unique_ptr<Taker> taker, const std::string& pidfile) {
    taker_ = std::move(taker);
    Result<HandedWorld> world = taker_->receive();
    if (!world) return tl::unexpected<Error>(world.error());
    std::vector<int> sockets;
    for (const HandedListener& it : world->listeners)
        sockets.push_back(it.fd);
    const std::vector<WorkerContext*> contexts = ctx_.workers.contexts();
    Result<Adoption> adopted = adopt(*world, contexts, ctx_.shared, *ctx_.config, ctx_.clock.now());
    if (!adopted) return tl::unexpected<Error>(adopted.error());
    adoption_ = std::move(*adopted);
    orders_.take_over(world->process.is_paused);
    if (Status opened = ctx_.listeners.open(ctx_.config->global, std::move(sockets)); !opened)
        return opened;
    if (Status some = ctx_.listeners.check(); !some) return some;
    if (Status done = taker_->commit(pidfile); !done) return done;
    ctx_.listeners.close_obsolete();
    ctx_.service.take_over(world->process.notify_socket, world->process.watchdog);
    log::info("took over {} clients and {} servers from process {}", adoption_.sessions,
              adoption_.servers, world->process.pid);
    return {};
}

void TakenOver::go_on() {
    if (taker_ == nullptr) return;
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::Adopted;
    ctx_.workers.broadcast(message);
    for (const std::string& database : adoption_.removed)
        kill_clients(ctx_.workers, database);
    ctx_.pools.for_each_pool([this](Pool& pool) {
        const std::string& name = pool.key().database;
        for (const std::string& database : adoption_.removed) {
            if (name == database) ctx_.janitor.close_idle(pool, "database removed");
        }
        for (const std::string& database : adoption_.recycled) {
            if (name == database) ctx_.janitor.close_idle(pool, "database configuration changed");
        }
    });
    late_ = std::thread([this] { wait_for_late(); });
}

void TakenOver::stop() {
    if (taker_ != nullptr) taker_->interrupt();
    if (late_.joinable()) late_.join();
}

void TakenOver::wait_for_late() {
    size_t turn = 0;
    while (std::optional<HandedSession> session = taker_->receive_late()) {
        WorkerMessage message;
        message.kind = WorkerMessage::Kind::AdoptLate;
        message.late = std::make_shared<HandedSession>(std::move(*session));
        ctx_.shared.in_transit.fetch_add(1);
        ctx_.workers.post(static_cast<WorkerId>(turn++ % ctx_.workers.workers()),
                          std::move(message));
    }
}

}  // namespace weir
