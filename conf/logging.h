// The log: PgBouncer's line format, written by a thread of its own.
//
//   2026-01-02 03:04:05.678 UTC [pid] LEVEL message
//
// log::info("listening on {}", address) checks the level before it formats. A line goes into a
// bounded queue (kLogQueueLines; when it is full the oldest line is dropped and counted) and from
// there to stderr and to logfile. Control characters are escaped, so that nothing a peer sends can
// forge a line. Before init_logging and after shutdown_logging lines are written at once by the
// caller.
//
// Thread: log::* and RateLimit from any. init_logging, reopen_log and shutdown_logging from the
// control thread; a process that forks to the background calls init_logging after the fork.
#pragma once

#include <spdlog/fmt/fmt.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "conf/config.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"

namespace weir {

enum class LogLevel : uint8_t { Noise, Debug, Log, Warning, Error, Fatal };

const char* to_string(LogLevel level);

// Takes over logfile and verbose from `config`; `quiet` keeps stderr silent. Call it again after a
// reload. Fails when logfile cannot be opened; the log then goes on where it went before.
Status init_logging(const GlobalConfig& config, bool quiet);

// Opens logfile again, for after it was moved away (SIGHUP). Fails as init_logging does.
Status reopen_log();

// Writes out what is queued and stops the thread. Also done at exit().
void shutdown_logging();

// Lines lost because the queue was full, since the start.
uint64_t log_lines_dropped();

namespace log {

namespace detail {
extern std::atomic<LogLevel> threshold;
void write(LogLevel level, std::string_view text);

template <typename... Args>
void format(LogLevel level, fmt::format_string<Args...> text, Args&&... args) {
    if (level < threshold.load(std::memory_order_relaxed)) return;
    write(level, fmt::format(text, std::forward<Args>(args)...));
}
}  // namespace detail

inline bool is_enabled(LogLevel level) {
    return level >= detail::threshold.load(std::memory_order_relaxed);
}

template <typename... Args>
void fatal(fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Fatal, text, std::forward<Args>(args)...);
}
template <typename... Args>
void error(fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Error, text, std::forward<Args>(args)...);
}
template <typename... Args>
void warning(fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Warning, text, std::forward<Args>(args)...);
}
template <typename... Args>
void info(fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Log, text, std::forward<Args>(args)...);
}
template <typename... Args>
void debug(fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Debug, text, std::forward<Args>(args)...);
}
template <typename... Args>
void noise(fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Noise, text, std::forward<Args>(args)...);
}

}  // namespace log

// Lets at most `per_second` lines through in each second of the time given, for lines that a peer
// can provoke. Threads may race at the turn of a second; a line more or less is no harm.
//
//   static RateLimit limit(10);
//   if (const auto suppressed = limit.admit(now)) log::warning("... ({} more suppressed)",
//   *suppressed);
class RateLimit {
  public:
    explicit RateLimit(uint32_t per_second) : per_second_(per_second) {}

    // Nothing: do not log. Otherwise how many were suppressed since the last line that was let
    // through.
    std::optional<uint64_t> admit(Instant now);

  private:
    const uint32_t per_second_;
    std::atomic<int64_t> second_{-1};
    std::atomic<uint32_t> admitted_{0};
    std::atomic<uint64_t> suppressed_{0};
};

}  // namespace weir
