// Intake: what the traffic saw of one endpoint, on its way to the health thread.
//
// What is frequent (successes, latencies) is counted in a cache line per worker that this worker
// alone writes, without a locked instruction; what is rare (failures, trials, a changed
// in_hot_standby) goes into a short queue under a mutex, and the first event in it wakes the health
// thread.
//
// Number and sum of latencies are one word, or else a drain between two stores would take a sum of
// two for one sample. Both only grow, the drain takes differences: exact for less than 2^24
// samples between two drains, which at a drain each 100 ms is 160 million per second.
//
// Lock: mutex_ guards events_ and dropped_, held for a push or a swap.
// Thread: count_* from the worker given; push from any; drain from the health thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "health/outcome.h"
#include "protocol/base/clock.h"
#include "protocol/base/ids.h"

namespace weir {

struct IntakeEvent {
    enum class Kind : uint8_t { Outcome, Trial, HotStandby };
    Kind kind = Kind::Outcome;
    Outcome outcome = Outcome::Success;
    bool is_standby = false;  // HotStandby
    Instant at;
    Instant trial_taken_at;  // Trial
};

class Intake {
  public:
    // Beyond it, failures are dropped and counted: long before the verdict is clear.
    static constexpr size_t kEventsMax = 256;

    explicit Intake(unsigned worker_count);
    Intake(const Intake&) = delete;
    Intake& operator=(const Intake&) = delete;

    void count_success(WorkerId worker);
    // A log-in: a success, and told apart besides.
    void count_login(WorkerId worker);
    // `log` is log_latency() of one statement, 0..32.
    void count_latency(WorkerId worker, double log);
    // True when the queue was empty: somebody has to be woken.
    bool push(const IntakeEvent& event);

    struct Batch {
        uint64_t successes = 0;
        uint64_t logins = 0;  // of these
        uint64_t latencies = 0;
        double latency_mean_log = 0;  // holds when latencies > 0
        std::vector<IntakeEvent> events;
    };
    // All since the last drain, in order for each thread that pushed.
    [[nodiscard]] Batch drain();
    [[nodiscard]] uint64_t dropped() const;

  private:
    static constexpr unsigned kSumBits = 40;  // low bits: sum in 1/1024; above: number
    static constexpr double kSumUnit = 1024;

    struct alignas(64) Block {
        std::atomic<uint64_t> successes{0};
        std::atomic<uint64_t> logins{0};
        std::atomic<uint64_t> latencies{0};
        // The drain's, on the same line: it reads those above anyway.
        uint64_t successes_seen = 0;
        uint64_t logins_seen = 0;
        uint64_t latencies_seen = 0;
    };

    unsigned worker_count_;
    std::unique_ptr<Block[]> blocks_;
    mutable std::mutex mutex_;
    std::vector<IntakeEvent> events_;
    uint64_t dropped_ = 0;
};

}  // namespace weir
