#include "proxy/control/worker_folding.h"

#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <utility>

#include "conf/logging.h"

namespace weir {

namespace {

constexpr Duration kLookFoldedEvery = std::chrono::milliseconds(200);
constexpr Duration kLookEvery = std::chrono::seconds(1);

// proc(5): nanoseconds on a core, nanoseconds waiting for one. Nothing: a kernel without it.
std::optional<WorkerFolding::Used> read_schedstat(int tid) {
    std::ifstream file("/proc/self/task/" + std::to_string(tid) + "/schedstat");
    int64_t running_ns = 0;
    int64_t waiting_ns = 0;
    if (!(file >> running_ns >> waiting_ns)) return std::nullopt;
    return WorkerFolding::Used{running_ns / 1000, waiting_ns / 1000};
}

// proc(5), /proc/stat: how long the cores on which we may run had nothing to do, in clock ticks.
std::optional<int64_t> read_idle_ticks() {
    cpu_set_t ours;
    if (sched_getaffinity(0, sizeof ours, &ours) != 0) return std::nullopt;
    std::ifstream file("/proc/stat");
    std::optional<int64_t> sum;
    for (std::string line; std::getline(file, line) && line.starts_with("cpu");) {
        unsigned core = 0;
        long long idle = 0;
        long long waiting_for_disks = 0;  // idle as well
        const int found = std::sscanf(line.c_str(), "cpu%u %*s %*s %*s %lld %lld", &core, &idle,
                                      &waiting_for_disks);
        if (found == 3 && core < CPU_SETSIZE && CPU_ISSET(core, &ours))
            sum = sum.value_or(0) + idle + waiting_for_disks;
    }
    return sum;
}

}  // namespace

void WorkerFolding::on_tick(Instant now) {
    WorkerGroup& workers = ctx_.workers;
    if (workers.workers() < 2 || !workers.is_settled()) return;
    const bool is_folded = workers.is_folded();
    const bool was_on = std::exchange(is_on_, ctx_.config->global.fold_workers);
    if (!is_on_ && is_folded) return fold(false, "fold_workers is off");
    if (is_on_ && !was_on && !is_folded) return fold(true, "fold_workers is on");
    if (!is_on_) return;
    const Duration pause = is_folded ? kLookFoldedEvery : kLookEvery;
    if (!looked_at_.is_never() && now - looked_at_ < pause) return;
    const bool is_first = looked_at_.is_never();
    const Duration past = now - std::exchange(looked_at_, now);
    const ThreadLoad load = look(past);
    if (is_first) return;
    double idle = 0;
    if (FoldRule::asks_for_idle(is_folded, load)) {
        idle = idle_cores(past);
    } else {
        idle_ticks_.reset();
    }
    const bool wanted = rule_.decide(now, is_folded, load, idle, workers.client_count());
    if (wanted != is_folded) fold(wanted, wanted ? "one is enough" : "one is full");
}

// ---- what the kernel counts ----

ThreadLoad WorkerFolding::look(Duration past) {
    Used sum;
    for (unsigned i = 0; i < ctx_.workers.workers(); ++i) {
        const auto id = static_cast<WorkerId>(i);
        const std::optional<Used> used = read_schedstat(ctx_.workers.thread(id).tid());
        sum.running_us += used ? used->running_us : ctx_.workers.cpu_time(id).count();
        sum.waiting_us += used ? used->waiting_us : 0;
    }
    const Used before = std::exchange(used_, sum);
    const auto past_us = static_cast<double>(past.count());
    return {.running = static_cast<double>(sum.running_us - before.running_us) / past_us,
            .waiting = static_cast<double>(sum.waiting_us - before.waiting_us) / past_us};
}

double WorkerFolding::idle_cores(Duration past) {
    const std::optional<int64_t> ticks = read_idle_ticks();
    const std::optional<int64_t> before = std::exchange(idle_ticks_, ticks);
    if (!ticks || !before) return 0;
    const auto per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
    const double seconds = std::chrono::duration<double>(past).count();
    return static_cast<double>(*ticks - *before) / per_second / seconds;
}

void WorkerFolding::fold(bool is_folded, const char* why) {
    log::info("workers: {} ({})", is_folded ? "one thread for all" : "a thread for each", why);
    ctx_.workers.fold(is_folded);
    looked_at_ = {};
    idle_ticks_.reset();
}

}  // namespace weir
