#include "proxy/control/life_cycle.h"

#include <signal.h>

#include <algorithm>

#include "conf/logging.h"
#include "proxy/session/draining.h"

namespace weir {

namespace {

constexpr int kSignals[] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};

const char* signal_name(int number) {
    switch (number) {
        case SIGHUP: return "SIGHUP";
        case SIGTERM: return "SIGTERM";
        case SIGINT: return "SIGINT";
        case SIGQUIT: return "SIGQUIT";
        case SIGUSR1: return "SIGUSR1";
        default: return "SIGUSR2";
    }
}

const char* stage_name(ShutdownMode mode) {
    switch (mode) {
        case ShutdownMode::WaitForServers: return "waits for servers";
        case ShutdownMode::WaitForClients: return "waits for clients";
        default: return "now";
    }
}

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

// ---- signals ----

void LifeCycle::on_signal(int number) {
    ctx_.note(ProcessEvent::Kind::Signal, "", signal_name(number));
    switch (number) {
        case SIGHUP:
            log::info("got SIGHUP, re-reading config");
            (void)reloading_.reload();
            break;
        case SIGTERM:
            log::info("got SIGTERM{}", shutdown_
                                           ? " while shutting down, fast exit"
                                           : ", shutting down, waiting for all clients disconnect");
            (void)shutdown(shutdown_ ? ShutdownMode::Now : ShutdownMode::WaitForClients);
            break;
        case SIGINT:
            log::info("got SIGINT{}",
                      shutdown_ ? " while shutting down, fast exit"
                                : ", shutting down, waiting for all servers connections to be "
                                  "released");
            (void)shutdown(shutdown_ ? ShutdownMode::Now : ShutdownMode::WaitForServers);
            break;
        case SIGQUIT:
            log::info("got SIGQUIT, fast exit");
            (void)shutdown(ShutdownMode::Now);
            break;
        case SIGUSR1: on_pause_signal(); break;
        case SIGUSR2: on_resume_signal(); break;
        default: break;
    }
}

void LifeCycle::on_pause_signal() {
    if (shutdown_) return log::info("got SIGUSR1 while shutting down, ignoring");
    if (orders_.is_paused() || orders_.is_suspended())
        return log::info("got SIGUSR1, but already paused/suspended");
    log::info("got SIGUSR1, pausing all activity");
    (void)orders_.pause(std::nullopt);
}

void LifeCycle::on_resume_signal() {
    if (shutdown_) return log::info("got SIGUSR2 while shutting down, ignoring");
    if (!orders_.is_paused() && !orders_.is_suspended())
        return log::info("got SIGUSR2, but not paused/suspended");
    log::info("got SIGUSR2, continuing from {}", orders_.is_suspended() ? "SUSPEND" : "PAUSE");
    (void)orders_.resume(std::nullopt);
}

// ---- the end ----

Status LifeCycle::shutdown(ShutdownMode mode) {
    const Instant now = ctx_.clock.now();
    if (!shutdown_) {
        ctx_.service.stopping();
        shutting_down_since_ = now;
        told_at_ = {};
    }
    if (shutdown_ != mode) ctx_.note(ProcessEvent::Kind::Process, "", "shutdown", stage_name(mode));
    shutdown_ = mode;
    ctx_.shared.serves_late_clients.store(mode == ShutdownMode::WaitForClients);
    ctx_.shared.is_shutting_down.store(true);
    if (mode == ShutdownMode::Now) {
        ctx_.loop.stop();
        return {};
    }
    stop_listening_to_tcp(now);
    if (mode == ShutdownMode::WaitForServers) {
        orders_.pause_for_good();
        WorkerMessage message;
        message.kind = WorkerMessage::Kind::CloseWaiting;
        message.text = "server shutting down";
        ctx_.workers.broadcast(message);
    }
    return {};
}

void LifeCycle::stop_listening_to_tcp(Instant now) {
    ctx_.listeners.begin_closing_tcp(now, ctx_.config->global.so_reuseport,
                                     ctx_.shared.serves_late_clients.load());
    if (!ctx_.listeners.on_tick(now)) return;
    ctx_.note(ProcessEvent::Kind::Listener, "", "TCP sockets closed");
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::StopAccepting;
    message.flag = true;
    ctx_.workers.broadcast(message);
}

void LifeCycle::send_clients_away(Instant now) {
    const GlobalConfig& global = ctx_.config->global;
    if (global.shutdown_drain == ShutdownDrain::None) return;
    const auto elapsed = (now - shutting_down_since_).count();
    const auto time = std::max<int64_t>(1, global.shutdown_drain_time.count());
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::SendAway;
    message.number =
        static_cast<uint32_t>(std::min<int64_t>(Draining::kAll, elapsed * Draining::kAll / time));
    ctx_.workers.broadcast(message);
}

bool LifeCycle::can_stop(Instant now) {
    if (ctx_.listeners.is_closing_tcp()) return false;
    if (*shutdown_ == ShutdownMode::WaitForServers) return orders_.is_quiet(std::nullopt);
    const bool may_still_log_in =
        ctx_.shared.logins.load() > 0 && now - shutting_down_since_ < kLoginMax;
    return ctx_.pools.clients.used() == 0 && !may_still_log_in;
}

void LifeCycle::tell_status(Instant now) {
    const std::chrono::seconds period(shutdown_ ? 1 : ctx_.config->global.stats_period_s);
    if (!ctx_.service.is_told() || (!told_at_.is_never() && now - told_at_ < period)) return;
    told_at_ = now;
    const auto clients = std::to_string(ctx_.pools.clients.used());
    if (shutdown_) {
        return ctx_.service.status("shutting down: clients still connected: " + clients);
    }
    Pool::Counts sum;
    ctx_.pools.for_each_pool([&](Pool& pool) {
        const Pool::Counts counts = pool.counts();
        sum.idle += counts.idle;
        sum.leased += counts.leased;
        sum.waiting += counts.waiting;
    });
    ctx_.service.status(
        fmt::format("clients: {}, of which waiting: {}; servers in use: {}, idle: {}", clients,
                    sum.waiting, sum.leased, sum.idle));
}

void LifeCycle::on_tick(Instant now) {
    if (!shutdown_) return tell_status(now);
    if (*shutdown_ == ShutdownMode::Now) return;
    stop_listening_to_tcp(now);
    if (*shutdown_ == ShutdownMode::WaitForClients) send_clients_away(now);
    if (can_stop(now)) {
        log::info("{} connections dropped, exiting",
                  *shutdown_ == ShutdownMode::WaitForClients ? "client" : "server");
        (void)shutdown(ShutdownMode::Now);
    } else {
        tell_status(now);
    }
}

}  // namespace weir
