#include "admin/console/stats_history.h"

namespace weir {

namespace {

PoolTotals find_totals(const DatabaseTotals& totals, const std::string& database) {
    const auto found = totals.find(database);
    return found == totals.end() ? PoolTotals{} : found->second;
}

// A database that was removed takes its counts with it, also from the sum of all.
uint64_t growth(uint64_t before, uint64_t after) {
    return after > before ? after - before : 0;
}

}  // namespace

DatabaseTotals collect_totals(PoolSet& pools) {
    DatabaseTotals totals;
    pools.for_each_database([&totals](const DatabaseState& state) {
        if (state.has_gone && !state.removed.load()) totals[state.name] = state.gone;
    });
    pools.for_each_pool([&totals](Pool& pool) {
        if (pool.database_state().removed.load()) return;
        PoolTotals& sum = totals[pool.key().database];
        for (const PoolCounters& counters : pool.counters())
            sum.add(counters);
    });
    return totals;
}

DatabaseTotals collect_changed(PoolSet& pools) {
    DatabaseTotals totals;
    for (const DatabaseState* state : pools.take_active()) {
        if (state->removed.load()) continue;
        PoolTotals& sum = totals[state->name] = state->gone;
        pools.for_each_pool_of(state->name, [&sum](const Pool& pool) {
            for (const PoolCounters& counters : pool.counters())
                sum.add(counters);
        });
    }
    return totals;
}

PoolTotals sum_of(const DatabaseTotals& totals) {
    PoolTotals sum;
    for (const auto& [database, more] : totals) {
        for (const StatsCounter& counter : kStatsCounters)
            sum.*counter.total += more.*counter.total;
    }
    return sum;
}

bool StatsHistory::on_tick(Instant now, Duration period,
                           const std::function<DatabaseTotals()>& collect) {
    const bool is_first = sampled_at_.is_never();
    if (!is_first && now - sampled_at_ < period) return false;
    period_ = now - sampled_at_;
    sampled_at_ = now;
    grown_.clear();
    grown_in_all_ = {};
    for (auto& [database, after] : collect()) {
        PoolTotals& before = totals_[database];
        if (!is_first) {
            PoolTotals& grew = grown_[database];
            for (const StatsCounter& counter : kStatsCounters) {
                grew.*counter.total = growth(before.*counter.total, after.*counter.total);
                grown_in_all_.*counter.total += grew.*counter.total;
            }
        }
        before = after;
    }
    return !is_first;
}

PoolTotals StatsHistory::average(const std::string& database) const {
    return average_of(find_totals(grown_, database));
}

PoolTotals StatsHistory::average_of_all() const {
    return average_of(grown_in_all_);
}

PoolTotals StatsHistory::average_of(const PoolTotals& growth) const {
    if (period_.count() <= 0) return {};
    const double seconds = static_cast<double>(period_.count()) / 1e6;
    PoolTotals out;
    for (const StatsCounter& counter : kStatsCounters) {
        const uint64_t grew = growth.*counter.total;
        if (counter.average_per == nullptr) {
            out.*counter.total = static_cast<uint64_t>(static_cast<double>(grew) / seconds);
        } else if (const uint64_t count = growth.*counter.average_per; count > 0) {
            out.*counter.total = grew / count;
        }
    }
    return out;
}

}  // namespace weir
