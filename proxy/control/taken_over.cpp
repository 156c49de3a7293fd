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
    hears_visitors_ = world->process.hears_visitors;
    orders_.take_over(world->process.is_paused);
    if (Status opened = ctx_.listeners.open(ctx_.config->global, std::move(sockets)); !opened)
        return opened;
    if (Status some = ctx_.listeners.check(); !some) return some;
    if (Status done = taker_->commit(pidfile); !done) return done;
    ctx_.listeners.close_obsolete();
    ctx_.service.take_over(world->process.notify_socket, world->process.watchdog);
    log::info("took over {} clients and {} servers from process {}", adoption_.sessions,
              adoption_.servers, world->process.pid);
    ctx_.note(ProcessEvent::Kind::Takeover, fmt::format("process {}", world->process.pid),
              "taken over from",
              fmt::format("{} clients and {} servers", adoption_.sessions, adoption_.servers));
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
    predecessors_.add(taker_->release(), hears_visitors_);
    taker_.reset();
}

}  // namespace weir
