#include "proxy/control/life_cycle.h"

#include <signal.h>

#include "conf/logging.h"

namespace weir {

namespace {

constexpr int kSignals[] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};

}  // namespace

LifeCycle::LifeCycle(ControlContext& context, Reloading& reloading, DatabaseOrders& orders)
    : ctx_(context), reloading_(reloading), orders_(orders) {
    ::signal(SIGPIPE, SIG_IGN);
    for (const int number : kSignals) {
        signals_.push_back(std::make_unique<SignalHandle>(ctx_.loop, number,
                                                          [this, number] { on_signal(number); }));
    }
}

void LifeCycle::ignore_signals() {
    signals_.clear();
    for (const int number : kSignals)
        ::signal(number, SIG_IGN);
}

void LifeCycle::on_signal(int number) {
    log::info("got signal {}", number);
    switch (number) {
        case SIGHUP: (void)reloading_.reload(); break;
        case SIGTERM:
            (void)shutdown(shutdown_ ? ShutdownMode::Now : ShutdownMode::WaitForClients);
            break;
        case SIGINT:
            (void)shutdown(shutdown_ ? ShutdownMode::Now : ShutdownMode::WaitForServers);
            break;
        case SIGQUIT: (void)shutdown(ShutdownMode::Now); break;
        case SIGUSR1:
            if (!shutdown_) (void)orders_.pause(std::nullopt);
            break;
        case SIGUSR2:
            if (!shutdown_) (void)orders_.resume(std::nullopt);
            break;
        default: break;
    }
}

Status LifeCycle::shutdown(ShutdownMode mode) {
    shutdown_ = mode;
    ctx_.shared.is_shutting_down.store(true);
    if (mode == ShutdownMode::Now) {
        ctx_.loop.stop();
        return {};
    }
    log::info("shutting down: {}", mode == ShutdownMode::WaitForClients
                                       ? "waiting for clients to leave"
                                       : "waiting for servers to be released");
    if (mode == ShutdownMode::WaitForServers) {
        if (!orders_.is_paused()) (void)orders_.pause(std::nullopt);
        WorkerMessage message;
        message.kind = WorkerMessage::Kind::CloseWaiting;
        message.text = "server shutting down";
        ctx_.workers.broadcast(message);
    }
    return {};
}

bool LifeCycle::can_stop() {
    if (*shutdown_ == ShutdownMode::WaitForClients) return ctx_.pools.clients.used() == 0;
    return orders_.is_quiet(std::nullopt);
}

void LifeCycle::on_tick() {
    if (shutdown_ && can_stop()) (void)shutdown(ShutdownMode::Now);
}

}  // namespace weir
