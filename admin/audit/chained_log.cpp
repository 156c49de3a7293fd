#include "admin/audit/chained_log.h"

#include <signal.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "admin/audit/json_fields.h"
#include "conf/background_thread.h"
#include "conf/json_text.h"
#include "conf/log_writer.h"
#include "conf/logging.h"

namespace weir {

namespace {

constexpr size_t kWriteBytes = 64u << 10;  // gathered before a write
constexpr Duration kTellEvery = std::chrono::seconds(60);

std::string chain_id() {
    return fmt::format("{}-{}", ::getpid(), SystemClock().wall_us(SystemClock().now()));
}

}  // namespace

ChainedLog::ChainedLog(std::string option) : option_(std::move(option)), chain_(chain_id()) {}

ChainedLog::~ChainedLog() {
    {
        const std::lock_guard lock(mutex_);
        is_ending_ = true;
        has_work_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
}

Status ChainedLog::open(const std::string& path) {
    ChainFile file;
    if (!path.empty()) {
        Result<ChainFile> opened = ChainFile::open(path);
        if (!opened) return fail("58030", option_ + ": " + opened.error().message);
        file = std::move(*opened);
    }
    const bool is_on = file.is_open();
    if (!is_on && !thread_.joinable()) return {};
    const std::lock_guard lock(mutex_);
    next_file_ = std::move(file);
    is_on_.store(is_on, std::memory_order_relaxed);
    if (!thread_.joinable()) start();
    has_work_.notify_one();
    return {};
}

void ChainedLog::start() {
    ::signal(SIGXFSZ, SIG_IGN);  // a file that is too long is an error of write(2)
    thread_ = start_background_thread("weir-audit", [this] { run(); });
}

void ChainedLog::push(std::string fields) {
    if (!is_on()) return;
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= kQueueLines || queued_bytes_ >= kQueueBytes) {
        ++dropped_;
        return;
    }
    queued_bytes_ += fields.size();
    queue_.push_back(std::move(fields));
    ++pushed_;
    if (queue_.size() == 1) has_work_.notify_one();
}

void ChainedLog::drain() {
    std::unique_lock lock(mutex_);
    is_done_.wait(lock, [this, until = pushed_] {
        return !thread_.joinable() || (written_ >= until && !next_file_);
    });
}

// ---- the thread ----

void ChainedLog::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        has_work_.wait(lock,
                       [this] { return is_ending_ || !queue_.empty() || next_file_.has_value(); });
        std::vector<std::string> lines;
        lines.swap(queue_);
        queued_bytes_ = 0;
        const uint64_t dropped = std::exchange(dropped_, 0);
        std::optional<ChainFile> next = std::exchange(next_file_, std::nullopt);
        const bool is_last = is_ending_;
        lock.unlock();
        const uint64_t count = lines.size();
        if (next) switch_to(std::move(*next));
        if (count > 0) write(lines);
        if (dropped > 0) note_lost(dropped, "they came faster than they could be written");
        if (is_last) switch_to(ChainFile());
        lock.lock();
        written_ += count;
        is_done_.notify_all();
        if (is_last) return;
    }
}

std::string ChainedLog::about_itself(std::string_view event, std::string_view more) const {
    JsonFields fields(event);
    fields.add_time("time", log_time_ms() * 1000);
    fields.add("pid", static_cast<int64_t>(::getpid()));
    std::string out = fields.take();
    out += more;
    return out;
}

// A chain that has begun goes on in the new file; without a file it ends, and the next one is new.
void ChainedLog::switch_to(ChainFile file) {
    if (!file.is_open()) {
        if (file_.is_open()) write({about_itself(kLogClosed)});
        file_ = ChainFile();
        chain_ = HashChain(chain_id());
        return;
    }
    if (file.is_same(file_) && !file_.was_truncated()) return;
    file_ = std::move(file);
    if (chain_.seq() > 0) {
        turn_ = kLogContinued;
    } else {
        const std::string last = file_.last_line();
        if (const auto line = parse_chained_line(last))
            chain_.set_previous(std::string(line->hash));
    }
    write({});
}

// What is to stand in front of the next line, whenever there is room for it.
std::string ChainedLog::preface(HashChain& chain) const {
    std::string out;
    if (chain.seq() == 0) {
        const std::string version = fmt::format(",\"version\":\"{}\"", WEIR_VERSION);
        out += chain.link(about_itself(kLogOpened, version)) + '\n';
    } else if (!turn_.empty()) {
        out += chain.link(about_itself(turn_)) + '\n';
    }
    if (untold_ > 0) {
        std::string more = fmt::format(",\"count\":{},\"reason\":", untold_);
        append_json_string(more, untold_why_);
        out += chain.link(about_itself(kLinesLost, more)) + '\n';
    }
    return out;
}

// In pieces of whole lines; one that cannot be written is no part of the chain.
void ChainedLog::write(const std::vector<std::string>& lines) {
    if (!file_.is_open()) return;
    if (file_.was_truncated()) turn_ = kLogTruncated;
    size_t next = 0;
    do {
        HashChain chain = chain_;
        std::string text = preface(chain);
        const size_t from = next;
        while (next < lines.size() && text.size() < kWriteBytes)
            text += chain.link(lines[next++]) + '\n';
        if (text.empty()) return;
        if (const int error = file_.append(text); error != 0) {
            note_lost(next - from, std::strerror(error));
            continue;
        }
        chain_ = std::move(chain);
        turn_ = {};
        untold_ = 0;
    } while (next < lines.size());
}

void ChainedLog::note_lost(uint64_t lines, std::string why) {
    if (lines == 0) return;
    untold_ += lines;
    lost_.fetch_add(lines, std::memory_order_relaxed);
    untold_why_ = std::move(why);
    const Instant now = SystemClock().now();
    if (!told_at_.is_never() && now - told_at_ < kTellEvery) return;
    told_at_ = now;
    log::error("{}: {} lines were lost: {}", option_, untold_, untold_why_);
}

}  // namespace weir
