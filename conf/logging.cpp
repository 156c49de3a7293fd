#include "conf/logging.h"

#include <pthread.h>
#include <signal.h>
#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <vector>

#include "conf/limits.h"
#include "conf/log_sink.h"

namespace weir {

namespace log::detail {
constinit std::atomic<LogLevel> threshold{LogLevel::Log};
}

namespace {

constexpr size_t kWriterThreads = 1;  // more would mix up the order of lines

using Queue = spdlog::details::thread_pool;  // a bounded queue and the thread that empties it

// Lives until the process ends, because a thread may log at any time, even while exit() runs. For
// the same reason loggers are kept for ever; each knows its queue by a weak reference only, so a
// line that comes when the queue is gone is refused (and then written at once), never put into
// freed memory.
struct Logging {
    std::shared_ptr<LogSink> sink = std::make_shared<LogSink>();
    std::atomic<spdlog::logger*> async_logger{nullptr};  // null: write at once

    std::mutex mutex;  // the rest; taken by the control thread and by log_lines_dropped
    std::shared_ptr<Queue> queue;
    std::vector<std::shared_ptr<spdlog::logger>> loggers_ever;
    uint64_t dropped_before = 0;  // by queues that are gone
    pid_t started_by = 0;
};

Logging& logging() {
    static Logging* const instance = new Logging;
    return *instance;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
    switch (level) {
        case LogLevel::Noise: return spdlog::level::trace;
        case LogLevel::Debug: return spdlog::level::debug;
        case LogLevel::Log: return spdlog::level::info;
        case LogLevel::Warning: return spdlog::level::warn;
        case LogLevel::Error: return spdlog::level::err;
        case LogLevel::Fatal: return spdlog::level::critical;
    }
    return spdlog::level::info;  // uncovered: every enumerator is above
}

LogLevel threshold_of(int verbose) {
    if (verbose <= 0) return LogLevel::Log;
    return verbose == 1 ? LogLevel::Debug : LogLevel::Noise;
}

// exit() of a forked child must not wait for the thread that only its parent has.
void shut_down_at_exit() {
    if (logging().started_by == ::getpid()) shutdown_logging();
}

// Signals are for the threads that wait for them.
void block_signals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

void start_queue(Logging& logging) {
    const std::lock_guard<std::mutex> lock(logging.mutex);
    if (logging.queue) return;
    if (logging.started_by == 0) std::atexit(shut_down_at_exit);
    logging.started_by = ::getpid();
    logging.queue = std::make_shared<Queue>(kLogQueueLines, kWriterThreads, block_signals);
    auto logger = std::make_shared<spdlog::async_logger>(
        "weir", logging.sink, logging.queue, spdlog::async_overflow_policy::overrun_oldest);
    logger->set_level(spdlog::level::trace);  // `threshold` has decided already
    logging.async_logger.store(logger.get(), std::memory_order_release);
    logging.loggers_ever.push_back(std::move(logger));
}

}  // namespace

const char* to_string(LogLevel level) {
    switch (level) {
        case LogLevel::Noise: return "NOISE";
        case LogLevel::Debug: return "DEBUG";
        case LogLevel::Log: return "LOG";
        case LogLevel::Warning: return "WARNING";
        case LogLevel::Error: return "ERROR";
        case LogLevel::Fatal: return "FATAL";
    }
    return "unknown";  // uncovered: every enumerator is above
}

Status init_logging(const GlobalConfig& config, bool quiet) {
    log::detail::threshold.store(threshold_of(config.verbose), std::memory_order_relaxed);
    Status target = logging().sink->set_target(config.logfile, !quiet);
    start_queue(logging());
    return target;
}

Status reopen_log() {
    return logging().sink->reopen();
}

void shutdown_logging() {
    Logging& l = logging();
    std::shared_ptr<Queue> queue;
    {
        const std::lock_guard<std::mutex> lock(l.mutex);
        if (!l.queue) return;
        l.async_logger.store(nullptr, std::memory_order_release);
        queue = std::move(l.queue);
        l.dropped_before += queue->overrun_counter();
    }
    queue.reset();  // empties itself, then joins its thread
}

uint64_t log_lines_dropped() {
    Logging& l = logging();
    const std::lock_guard<std::mutex> lock(l.mutex);
    return l.dropped_before + (l.queue ? l.queue->overrun_counter() : 0);
}

void log::detail::write(LogLevel level, std::string_view text) {
    Logging& l = logging();
    const spdlog::string_view_t payload(text.data(), text.size());
    if (spdlog::logger* logger = l.async_logger.load(std::memory_order_acquire)) {
        try {
            return logger->log(spdlog_level(level), payload);
        } catch (const spdlog::spdlog_ex&) {
            // The library's way to say that shutdown_logging was faster.
        }
    }
    l.sink->log(spdlog::details::log_msg("weir", spdlog_level(level), payload));
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
