#include "conf/log_writer.h"

#include <spdlog/fmt/fmt.h>

#include <chrono>

#include "conf/background_thread.h"
#include "conf/limits.h"

namespace weir {

namespace {

constexpr auto kTellFailuresEvery = std::chrono::seconds(60);

LogLine note(LogLevel level, std::string text) {
    return {level, log_time_ms(), std::move(text), std::nullopt};
}

}  // namespace

int64_t log_time_ms() {
    using std::chrono::system_clock;
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               system_clock::now().time_since_epoch())
        .count();
}

void LogWriter::push(LogLine line) {
    if (is_running()) {
        const std::lock_guard lock(mutex_);
        if (is_running() && !is_ending_) {
            const bool is_full = queue_.size() >= kLogQueueLines || queued_bytes_ >= kLogQueueBytes;
            if (is_full && line.level != LogLevel::Fatal) {
                ++dropped_;
                lost_.fetch_add(1);
                return;
            }
            queued_bytes_ += line.bytes();
            queue_.push_back(std::move(line));
            ++pushed_;
            if (queue_.size() == 1) has_work_.notify_one();
            return;
        }
    }
    if (is_given_up_.load()) return;
    const std::lock_guard lock(sink_mutex_);
    (void)sink_.write({&line, 1});
}

void LogWriter::set_target(LogTarget target) {
    {
        const std::lock_guard lock(mutex_);
        if (is_running()) {
            next_target_ = std::move(target);
            has_work_.notify_one();
            return;
        }
    }
    const std::lock_guard lock(sink_mutex_);
    sink_.set_target(std::move(target));
}

void LogWriter::start() {
    const std::lock_guard lock(mutex_);
    if (is_running()) return;
    is_ending_ = false;
    thread_ = start_background_thread("weir-log", [this] { run(); });
    is_running_.store(true);
}

bool LogWriter::stop(Duration limit) {
    {
        std::unique_lock lock(mutex_);
        if (!is_running()) return true;
        is_ending_ = true;
        has_work_.notify_one();
        const bool is_ended = is_done_.wait_for(lock, limit, [this] { return !is_running(); });
        if (!is_ended) {
            is_given_up_.store(true);
            thread_.detach();
            return false;
        }
    }
    thread_.join();
    return true;
}

bool LogWriter::drain(Duration limit) {
    std::unique_lock lock(mutex_);
    const uint64_t until = pushed_;
    return is_done_.wait_for(lock, limit,
                             [this, until] { return !is_running() || written_ >= until; });
}

void LogWriter::write_batch(const std::vector<LogLine>& batch, uint64_t dropped) {
    failed_ += sink_.write(batch);
    if (dropped > 0) {
        const LogLine lost =
            note(LogLevel::Warning,
                 fmt::format(
                     "{} lines of the log were lost: they came faster than they could be written",
                     dropped));
        (void)sink_.write({&lost, 1});
    }
}

void LogWriter::tell_failures(bool is_last) {
    if (failed_ == 0) return;
    const auto now = std::chrono::steady_clock::now();
    const bool is_time = told_failures_at_.time_since_epoch().count() == 0 ||
                         now - told_failures_at_ >= kTellFailuresEvery;
    if (!is_time && !is_last) return;
    const LogLine lost =
        note(LogLevel::Warning,
             fmt::format("{} lines of the log could not be written to all its targets", failed_));
    told_failures_at_ = now;
    if (sink_.write({&lost, 1}) > 0) return;  // told when there is room again
    lost_.fetch_add(failed_);
    failed_ = 0;
}

void LogWriter::run() {
    std::vector<LogLine> batch;
    std::unique_lock lock(mutex_);
    while (true) {
        has_work_.wait(
            lock, [this] { return is_ending_ || !queue_.empty() || next_target_.has_value(); });
        batch.swap(queue_);
        queued_bytes_ = 0;
        const uint64_t dropped = std::exchange(dropped_, 0);
        std::optional<LogTarget> target;
        target.swap(next_target_);
        const bool is_last = is_ending_;
        lock.unlock();
        {
            const std::lock_guard sink(sink_mutex_);
            if (target) sink_.set_target(std::move(*target));
            write_batch(batch, dropped);
            tell_failures(is_last);
        }
        const uint64_t count = batch.size();
        batch.clear();
        lock.lock();
        written_ += count;
        if (is_last && queue_.empty()) break;
        is_done_.notify_all();
    }
    is_running_.store(false);
    is_done_.notify_all();
}

}  // namespace weir
