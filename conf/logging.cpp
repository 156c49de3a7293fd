#include "conf/logging.h"

#include <unistd.h>

#include <cstdlib>

#include "conf/log_writer.h"

namespace weir {

namespace log::detail {
constinit std::atomic<LogLevel> threshold{LogLevel::Log};
}

namespace {

constexpr Duration kFlushMax = std::chrono::seconds(10);  // a disk that takes longer is given up

// Lives until the process ends, because a thread may log at any time, even while exit() runs.
struct Logging {
    LogWriter writer;
    pid_t started_by = 0;
};

Logging& logging() {
    static Logging* const instance = new Logging;
    return *instance;
}

LogLevel threshold_of(int verbose) {
    if (verbose <= 0) return LogLevel::Log;
    return verbose == 1 ? LogLevel::Debug : LogLevel::Noise;
}

// exit() of a forked child must not wait for the thread that only its parent has.
void shut_down_at_exit() {
    if (logging().started_by == ::getpid()) shutdown_logging();
}

}  // namespace

Status init_logging(const GlobalConfig& config, bool quiet) {
    log::detail::threshold.store(threshold_of(config.verbose), std::memory_order_relaxed);
    Logging& l = logging();
    Result<LogTarget> target = LogTarget::open(config, quiet);
    if (target) l.writer.set_target(std::move(*target));
    if (l.started_by == 0) std::atexit(shut_down_at_exit);
    l.started_by = ::getpid();
    l.writer.start();
    if (!target) return tl::unexpected<Error>(target.error());
    return {};
}

void shutdown_logging() {
    (void)logging().writer.stop(kFlushMax);
}

uint64_t log_lines_lost() {
    return logging().writer.lost();
}

void log::detail::write(LogLevel level, std::string text, std::optional<LogPeer> peer) {
    LogWriter& writer = logging().writer;
    writer.push({level, log_time_ms(), std::move(text), std::move(peer)});
    if (level == LogLevel::Fatal) (void)writer.drain(kFlushMax);
}

std::optional<uint64_t> RateLimit::admit(Instant now) {
    const int64_t second = now.us / 1'000'000;
    int64_t current = second_.load(std::memory_order_relaxed);
    if (current != second &&
        second_.compare_exchange_strong(current, second, std::memory_order_relaxed)) {
        admitted_.store(0, std::memory_order_relaxed);
    }
    if (admitted_.fetch_add(1, std::memory_order_relaxed) < per_second_) {
        return suppressed_.exchange(0, std::memory_order_relaxed);
    }
    suppressed_.fetch_add(1, std::memory_order_relaxed);
    return {};
}

}  // namespace weir
