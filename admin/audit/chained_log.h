// ChainedLog: a log of JSON lines in a hash chain (HashChain), written by a thread of its own, so
// that nobody who has something to tell waits for a disk.
//
// When kQueueLines or kQueueBytes wait, further lines are lost; so are those that could not be
// written (a full disk). The log itself says how many and why, with the next line that it takes
// (`lines lost`), and the log of the process within a minute. The chain has no gap then: what was
// never written is no part of it.
//
// Rotation: open() again with the same path. When the file was moved away, the new one begins with
// a line (`log continued`) that follows the last one of the old; when not, nothing happens. A file
// that was truncated under us (copytruncate) is noticed and told (`log truncated`).
//
// Lock: mutex_ guards the queue, never held while something is written. Owner: AccessLog,
// AuditTrail. Thread: push() any, the rest control.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "admin/audit/chain_file.h"
#include "admin/audit/hash_chain.h"
#include "protocol/base/clock.h"

namespace weir {

class ChainedLog {
  public:
    static constexpr size_t kQueueLines = 16384;
    static constexpr size_t kQueueBytes = 8u << 20;

    // `option` names it in messages.
    explicit ChainedLog(std::string option);
    // Writes out what waits, and the end of the chain.
    ~ChainedLog();
    ChainedLog(const ChainedLog&) = delete;
    ChainedLog& operator=(const ChainedLog&) = delete;

    // Lines go there from now on; an empty path ends the chain. On an error all is as before.
    Status open(const std::string& path);
    [[nodiscard]] bool is_on() const { return is_on_.load(std::memory_order_relaxed); }
    // The inside of a JSON object that begins with "event".
    void push(std::string fields);
    // Until all that was pushed before is written, or could not be; for tests.
    void drain();
    [[nodiscard]] uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

  private:
    void start();
    void run();

    // ---- the thread's ----
    void switch_to(ChainFile file);
    void write(const std::vector<std::string>& lines);
    [[nodiscard]] std::string preface(HashChain& chain) const;
    void note_lost(uint64_t lines, std::string why);
    [[nodiscard]] std::string about_itself(std::string_view event,
                                           std::string_view more = {}) const;

    const std::string option_;
    std::atomic<bool> is_on_{false};
    std::atomic<uint64_t> lost_{0};
    std::mutex mutex_;
    std::condition_variable has_work_, is_done_;
    std::vector<std::string> queue_;
    size_t queued_bytes_ = 0;
    uint64_t dropped_ = 0;
    uint64_t pushed_ = 0, written_ = 0;
    std::optional<ChainFile> next_file_;  // not open: the end of the chain
    bool is_ending_ = false;
    std::thread thread_;

    // The thread's.
    ChainFile file_;
    HashChain chain_;
    std::string_view turn_;  // what has become of the file, not told in it yet
    uint64_t untold_ = 0;    // lines lost, not told in the log yet
    std::string untold_why_;
    Instant told_at_;  // in the log of the process
};

}  // namespace weir
