#include "admin/page/history.h"

#include "admin/console/stats_history.h"

namespace weir {

namespace {

// Counters of pools that are no more may be missing for a moment: that is no negative rate.
double growth_of(uint64_t before, uint64_t now) {
    return now > before ? static_cast<double>(now - before) : 0;
}

std::optional<double> mean_ms(double us, double count) {
    if (count <= 0) return {};
    return us / count / 1000;
}

uint64_t errors_of(Inspector& inspector) {
    uint64_t all = 0;
    for (const Inspector::WorkerView& worker : inspector.worker_views()) {
        for (size_t i = 0; i < ErrorCounters::kCount; ++i)
            all += worker.counters->server_errors.count(i) + worker.counters->own_errors.count(i);
    }
    return all;
}

}  // namespace

void PageHistory::on_tick(Instant now, Inspector& inspector) {
    if (!sampled_at_.is_never() && now - sampled_at_ < kStep) return;
    PoolSet& pools = inspector.pools();
    double waiting = 0, active = 0;
    // Those that sleep have neither.
    for (const Pool* pool : pools.wakes().awake()) {
        const Pool::Counts counts = pool->counts();
        waiting += static_cast<double>(counts.waiting);
        active += static_cast<double>(counts.leased);
    }
    add(now, {sum_of(collect_totals(pools)), errors_of(inspector)}, waiting, active);
}

void PageHistory::add(Instant now, const HistoryCounts& counts, double waiting, double active) {
    const bool is_first = sampled_at_.is_never();
    const double seconds = static_cast<double>((now - sampled_at_).count()) / 1e6;
    const HistoryCounts last = std::exchange(counts_, counts);
    sampled_at_ = now;
    if (is_first || seconds <= 0) return;
    // After a pause (the machine slept) the time in between is a gap.
    const auto missed = static_cast<size_t>(seconds / 10 + 0.5);
    for (size_t i = 1; i < missed && i < kSamples; ++i) {
        ring_[next_] = {};
        next_ = (next_ + 1) % kSamples;
    }
    const PoolTotals& before = last.pools;
    const PoolTotals& totals = counts.pools;
    const double transactions = growth_of(before.transactions, totals.transactions);
    const double queries = growth_of(before.queries, totals.queries);
    ring_[next_] =
        HistorySample{.transactions = transactions / seconds,
                      .queries = queries / seconds,
                      .errors = growth_of(last.errors, counts.errors) / seconds,
                      .query_ms = mean_ms(growth_of(before.query_us, totals.query_us), queries),
                      .wait_ms = mean_ms(growth_of(before.wait_us, totals.wait_us), transactions),
                      .waiting = waiting,
                      .active = active};
    next_ = (next_ + 1) % kSamples;
}

std::vector<std::optional<HistorySample>> PageHistory::last_hour() const {
    std::vector<std::optional<HistorySample>> out(
        ring_.begin() + static_cast<std::ptrdiff_t>(next_), ring_.end());
    out.insert(out.end(), ring_.begin(), ring_.begin() + static_cast<std::ptrdiff_t>(next_));
    return out;
}

std::optional<HistorySample> PageHistory::latest() const {
    return ring_[(next_ + kSamples - 1) % kSamples];
}

}  // namespace weir
