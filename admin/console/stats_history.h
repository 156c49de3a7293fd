// StatsHistory: the counters of each database at the two last ends of a stats_period, from which
// the averages of SHOW STATS come: those of the last full period.
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
PoolTotals sum_of(const DatabaseTotals& totals);

class StatsHistory {
  public:
    // Takes the counters from `collect` when a period has passed (and the first time).
    void on_tick(Instant now, Duration period, const std::function<DatabaseTotals()>& collect);

    // Zeros before the end of the first period.
    [[nodiscard]] PoolTotals average(const std::string& database) const;
    [[nodiscard]] PoolTotals average_of_all() const;

  private:
    struct Sample {
        Instant at;
        DatabaseTotals totals;
    };
    [[nodiscard]] PoolTotals average(const PoolTotals& before, const PoolTotals& after) const;

    Sample older_;
    Sample newer_;
};

}  // namespace weir
