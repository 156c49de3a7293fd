// The log: lines in PgBouncer's format or as JSON, written by a thread of its own.
//
//   2026-01-02 03:04:05.678 UTC [pid] LEVEL message
//
// log::info("listening on {}", address) checks the level before it formats. What is about a
// connection names it: log::info(peer, "closing because: {} (age={}s)", ...), see LogPeer. A line
// goes into a bounded queue (LogWriter) and from there to stderr, logfile and syslog; what does not
// fit is lost, and told. FATAL lines are written when the call returns. Before init_logging and
// after shutdown_logging lines are written at once by the caller.
//
// Thread: log::* and RateLimit from any. init_logging and shutdown_logging from the control thread;
// a process that forks to the background calls shutdown_logging before the fork and init_logging
// after it.
#pragma once

#include <spdlog/fmt/fmt.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "conf/config.h"
#include "conf/log_line.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"

namespace weir {

// Takes over logfile, log_format, syslog* and verbose from `config`; `quiet` keeps stderr silent.
// Called again after a reload, which opens logfile anew, for when it was moved away. Fails when
// logfile cannot be opened; the log then goes on where it went before.
Status init_logging(const GlobalConfig& config, bool quiet);

// Writes out what is queued and stops the thread. Also done at exit().
void shutdown_logging();

// Lines lost because the queue was full or nothing could be written, since the start.
uint64_t log_lines_lost();

namespace log {

namespace detail {
extern std::atomic<LogLevel> threshold;
void write(LogLevel level, std::string text, std::optional<LogPeer> peer);

template <typename... Args>
void format(LogLevel level, fmt::format_string<Args...> text, Args&&... args) {
    if (level < threshold.load(std::memory_order_relaxed)) return;
    write(level, fmt::format(text, std::forward<Args>(args)...), std::nullopt);
}
template <typename... Args>
void format(LogLevel level, LogPeer peer, fmt::format_string<Args...> text, Args&&... args) {
    if (level < threshold.load(std::memory_order_relaxed)) return;
    write(level, fmt::format(text, std::forward<Args>(args)...), std::move(peer));
}
}  // namespace detail

// For lines that are frequent, or that cost something to prepare.
inline bool is_enabled(LogLevel level) {
    return level >= detail::threshold.load(std::memory_order_relaxed);
}

template <typename... Args>
void fatal(fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Fatal, text, std::forward<Args>(args)...);
}
template <typename... Args>
void fatal(LogPeer peer, fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Fatal, std::move(peer), text, std::forward<Args>(args)...);
}
template <typename... Args>
void error(fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Error, text, std::forward<Args>(args)...);
}
template <typename... Args>
void error(LogPeer peer, fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Error, std::move(peer), text, std::forward<Args>(args)...);
}
template <typename... Args>
void warning(fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Warning, text, std::forward<Args>(args)...);
}
template <typename... Args>
void warning(LogPeer peer, fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Warning, std::move(peer), text, std::forward<Args>(args)...);
}
template <typename... Args>
void info(fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Log, text, std::forward<Args>(args)...);
}
template <typename... Args>
void info(LogPeer peer, fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Log, std::move(peer), text, std::forward<Args>(args)...);
}
template <typename... Args>
void debug(fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Debug, text, std::forward<Args>(args)...);
}
template <typename... Args>
void debug(LogPeer peer, fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Debug, std::move(peer), text, std::forward<Args>(args)...);
}
template <typename... Args>
void noise(fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Noise, text, std::forward<Args>(args)...);
}
template <typename... Args>
void noise(LogPeer peer, fmt::format_string<Args...> text, Args&&... args) {
    detail::format(LogLevel::Noise, std::move(peer), text, std::forward<Args>(args)...);
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
