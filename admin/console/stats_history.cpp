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
    pools.for_each_pool([&totals](Pool& pool) {
        if (pool.database_state().removed.load()) return;
        PoolTotals& sum = totals[pool.key().database];
        for (const PoolCounters& counters : pool.counters())
            sum.add(counters);
    });
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

void StatsHistory::on_tick(Instant now, Duration period,
                           const std::function<DatabaseTotals()>& collect) {
    const bool is_first = newer_.at.is_never();
    if (!is_first && now - newer_.at < period) return;
    older_ = std::move(newer_);
    newer_ = {now, collect()};
    if (is_first) older_ = newer_;
}

PoolTotals StatsHistory::average(const std::string& database) const {
    return average(find_totals(older_.totals, database), find_totals(newer_.totals, database));
}

PoolTotals StatsHistory::average_of_all() const {
    return average(sum_of(older_.totals), sum_of(newer_.totals));
}

PoolTotals StatsHistory::average(const PoolTotals& before, const PoolTotals& after) const {
    const Duration passed = newer_.at - older_.at;
    if (passed.count() <= 0) return {};
    const double seconds = static_cast<double>(passed.count()) / 1e6;
    PoolTotals out;
    for (const StatsCounter& counter : kStatsCounters) {
        const auto grown = [&before, &after](uint64_t PoolTotals::*member) {
            return growth(before.*member, after.*member);
        };
        const uint64_t grew = grown(counter.total);
        if (counter.average_per == nullptr) {
            out.*counter.total = static_cast<uint64_t>(static_cast<double>(grew) / seconds);
        } else if (const uint64_t count = grown(counter.average_per); count > 0) {
            out.*counter.total = grew / count;
        }
    }
    return out;
}

}  // namespace weir
