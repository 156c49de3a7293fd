// SizeControl: a pool's PoolSizing, fed. Between two samples, a second apart, it keeps the peaks of
// what is in use and wanted and how long somebody waited; what servers took comes from the workers'
// counters, so that a query costs nothing.
//
// It also says when a connection that comes back is too many because the ceiling has fallen: a
// tenth of the pool per second at the most, and only below where the ceiling has been for the last
// three seconds, or a ceiling that trembles would close and open connections all the time.
//
// Owner: Pool, under its mutex. Thread: any, therefore.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "proxy/pool/sizing.h"
#include "proxy/stats/counters.h"

namespace weir {

class SizeControl {
  public:
    static constexpr Duration kInterval = std::chrono::seconds(1);
    // Of an unlimited pool: more than there will ever be.
    static constexpr uint32_t kUnlimited = 1U << 30;

    SizeControl() : sizing_(SizingOptions()) { configure(SizingMode::Demand, 0, 20); }
    // `size` 0 = unlimited.
    void configure(SizingMode mode, uint32_t min, uint32_t size);

    // Told whenever one of them has grown.
    void note_use(uint32_t in_use, uint32_t waiting) {
        in_use_peak_ = std::max(in_use_peak_, in_use);
        wanted_peak_ = std::max(wanted_peak_, in_use + waiting);
    }
    // Told whenever the queue may have become empty, or not empty any more.
    void note_queue(bool is_waiting, Instant now) {
        if (is_waiting == is_waiting_) return;
        if (is_waiting_) waited_ = waited_ + std::max(now - waiting_from_, Duration(0));
        is_waiting_ = is_waiting;
        waiting_from_ = now;
    }

    [[nodiscard]] bool is_due(Instant now) const {
        return sampled_at_.is_never() || now - sampled_at_ >= kInterval;
    }
    // All that was used and wanted has been sampled.
    [[nodiscard]] bool is_settled() const { return in_use_peak_ == 0 && wanted_peak_ == 0; }
    struct Now {
        uint32_t in_use = 0;
        uint32_t waiting = 0;
        uint32_t total = 0;
    };
    // Takes a sample. `totals` are the pool's counters, `capacity_signals` those since the last.
    void update(Instant now, const Now& pool, const PoolTotals& totals, uint32_t capacity_signals);

    // Opening ends here; kUnlimited when nothing is known to be too many.
    [[nodiscard]] uint32_t ceiling() const { return ceilings_[0]; }
    [[nodiscard]] uint32_t target() const { return target_; }
    // The most that was wanted at once in the last half minute.
    [[nodiscard]] uint32_t demand(Instant now) {
        return std::max(sizing_.demand(now), wanted_peak_);
    }
    // True: one of `staying` connections that comes back is to be closed.
    bool take_surplus(size_t staying) {
        const uint32_t most = *std::max_element(ceilings_.begin(), ceilings_.end());
        if (staying <= most || surplus_left_ == 0) return false;
        --surplus_left_;
        return true;
    }

  private:
    PoolSizing sizing_;
    uint32_t target_ = 0;
    std::array<uint32_t, 3> ceilings_{};  // of the last samples, the newest first
    uint32_t surplus_left_ = 0;
    uint32_t in_use_peak_ = 0;
    uint32_t wanted_peak_ = 0;
    bool is_waiting_ = false;
    Instant waiting_from_;
    Duration waited_{0};
    Instant sampled_at_;
    uint64_t transactions_ = 0;  // as of sampled_at_
    uint64_t query_us_ = 0;
};

}  // namespace weir
