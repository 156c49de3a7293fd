#include "health/intake.h"

#include <algorithm>
#include <utility>

#include "protocol/base/check.h"

namespace weir {

namespace {

// One writer: a load and a store are enough.
void add(std::atomic<uint64_t>& counter, uint64_t amount) {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

}  // namespace

Intake::Intake(unsigned worker_count)
    : worker_count_(worker_count), blocks_(std::make_unique<Block[]>(worker_count)) {}

void Intake::count_success(WorkerId worker) {
    WEIR_CHECK(worker < worker_count_);
    add(blocks_[worker].successes, 1);
}

void Intake::count_login(WorkerId worker) {
    count_success(worker);
    add(blocks_[worker].logins, 1);
}

void Intake::count_latency(WorkerId worker, double log) {
    WEIR_CHECK(worker < worker_count_);
    const auto sum = static_cast<uint64_t>(std::clamp(log, 0.0, 32.0) * kSumUnit);
    add(blocks_[worker].latencies, (uint64_t{1} << kSumBits) + sum);
}

bool Intake::push(const IntakeEvent& event) {
    const std::lock_guard lock(mutex_);
    if (events_.size() >= kEventsMax) {
        ++dropped_;
        return false;
    }
    events_.push_back(event);
    return events_.size() == 1;
}

Intake::Batch Intake::drain() {
    Batch batch;
    uint64_t sum = 0;
    for (unsigned i = 0; i < worker_count_; ++i) {
        Block& block = blocks_[i];
        const uint64_t successes = block.successes.load(std::memory_order_relaxed);
        batch.successes += successes - std::exchange(block.successes_seen, successes);
        const uint64_t logins = block.logins.load(std::memory_order_relaxed);
        batch.logins += logins - std::exchange(block.logins_seen, logins);
        const uint64_t latencies = block.latencies.load(std::memory_order_relaxed);
        const uint64_t added = latencies - std::exchange(block.latencies_seen, latencies);
        batch.latencies += added >> kSumBits;
        sum += added & ((uint64_t{1} << kSumBits) - 1);
    }
    if (batch.latencies > 0) {
        batch.latency_mean_log =
            static_cast<double>(sum) / kSumUnit / static_cast<double>(batch.latencies);
    }
    const std::lock_guard lock(mutex_);
    batch.events.swap(events_);
    return batch;
}

uint64_t Intake::dropped() const {
    const std::lock_guard lock(mutex_);
    return dropped_;
}

}  // namespace weir
