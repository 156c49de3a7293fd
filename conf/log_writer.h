// LogWriter: a bounded queue of lines and the thread that writes them, so that nobody who logs
// waits for a disk, a full pipe or a daemon.
//
// When kLogQueueLines or kLogQueueBytes are reached, further lines are lost; the log says how many,
// where they would have stood. What the sink could not write is told likewise, once a minute. FATAL
// lines are never refused.
//
// Without the thread (before start(), after stop()) lines are written at once by the caller.
//
// Lock: `mutex_` guards the queue and is never held while something is written; `sink_mutex_`
// guards the sink, and is taken first. Owner: logging.cpp, for ever: a thread may log while the
// process ends. Thread: any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "conf/log_sink.h"

namespace weir {

class LogWriter {
  public:
    explicit LogWriter(std::string syslog_path = "/dev/log") : sink_(std::move(syslog_path)) {}

    void push(LogLine line);
    // Lines written from now on go there. Does not wait for what is being written.
    void set_target(LogTarget target);

    void start();
    // Writes out what is queued and ends the thread. False when that took longer than `limit`: the
    // disk does not answer; the thread is left to itself, and this writer writes nothing any more.
    bool stop(Duration limit);
    // Waits until all that was pushed before is written. False as of stop().
    bool drain(Duration limit);
    [[nodiscard]] bool is_running() const { return is_running_.load(); }

    // Lines that were lost, since the start.
    [[nodiscard]] uint64_t lost() const { return lost_.load(); }

  private:
    void run();
    // What the thread does in a turn, without any lock. `dropped` lines came after `batch`.
    void write_batch(const std::vector<LogLine>& batch, uint64_t dropped);
    void tell_failures(bool is_last);

    std::mutex sink_mutex_;
    LogSink sink_;
    uint64_t failed_ = 0;  // lines not written, not told yet
    std::chrono::steady_clock::time_point told_failures_at_{};

    std::mutex mutex_;
    std::condition_variable has_work_, is_done_;
    std::vector<LogLine> queue_;
    std::optional<LogTarget> next_target_;
    size_t queued_bytes_ = 0;
    uint64_t dropped_ = 0;  // since the queue was full
    uint64_t pushed_ = 0, written_ = 0;
    bool is_ending_ = false;
    std::atomic<bool> is_running_{false};
    std::atomic<bool> is_given_up_{false};
    std::atomic<uint64_t> lost_{0};
    std::thread thread_;
};

// Milliseconds since 1970, now.
int64_t log_time_ms();

}  // namespace weir
