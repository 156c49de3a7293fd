// StatsHistory: the averages of SHOW STATS, those of the last full stats_period, from the counters
// of each database at its ends. What did not count anything costs nothing.
//
// Owner: Console. Thread: control.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "protocol/base/clock.h"
#include "proxy/pool/pool_set.h"
#include "proxy/stats/counters.h"

namespace weir {

using DatabaseTotals = std::map<std::string, PoolTotals>;

// The counters in the order of SHOW STATS, and what each is averaged over.
struct StatsCounter {
    uint64_t PoolTotals::*total;
    uint64_t PoolTotals::*average_per;  // null = per second
};
inline constexpr StatsCounter kStatsCounters[] = {
    {&PoolTotals::server_assignments, nullptr},
    {&PoolTotals::transactions, nullptr},
    {&PoolTotals::queries, nullptr},
    {&PoolTotals::bytes_received, nullptr},
    {&PoolTotals::bytes_sent, nullptr},
    {&PoolTotals::transaction_us, &PoolTotals::transactions},
    {&PoolTotals::query_us, &PoolTotals::queries},
    {&PoolTotals::wait_us, nullptr},
    {&PoolTotals::client_parses, nullptr},
    {&PoolTotals::server_parses, nullptr},
    {&PoolTotals::binds, nullptr},
    {&PoolTotals::client_logins, nullptr},
};

// The counters of every database that has a pool and is configured.
DatabaseTotals collect_totals(PoolSet& pools);
// Of those alone that may have counted something since the last call.
DatabaseTotals collect_changed(PoolSet& pools);
PoolTotals sum_of(const DatabaseTotals& totals);

class StatsHistory {
  public:
    // Takes the counters from `collect` when a period has passed (and the first time); those that
    // it does not give are as they were. True when a period has ended: there are new averages.
    bool on_tick(Instant now, Duration period, const std::function<DatabaseTotals()>& collect);

    // Zeros before the end of the first period.
    [[nodiscard]] PoolTotals average(const std::string& database) const;
    [[nodiscard]] PoolTotals average_of_all() const;

  private:
    [[nodiscard]] PoolTotals average_of(const PoolTotals& growth) const;

    Instant sampled_at_;
    Duration period_{0};     // the one that `grown_` is about
    DatabaseTotals totals_;  // as of sampled_at_
    DatabaseTotals grown_;   // in the last period; those that have not are left out
    PoolTotals grown_in_all_;
};

}  // namespace weir
