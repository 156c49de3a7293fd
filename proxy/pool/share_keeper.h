// ShareKeeper: keeps one user of a database from starving the others under max_db_connections.
//
// Every ten seconds, and soon after somebody is starved, the limit is split by fair_shares() over
// the pools of the database that were used lately. A share is no reservation: whoever comes first
// has what there is. Only while all is in use and somebody waits who has less than a fair share,
// pools with more than theirs give back as many connections as are wanting, one for one, when
// their clients release them; and pools that have theirs open nothing until those others have.
//
// Where there are more pools than connections, some have a share of nothing. They count as in want
// as long as they have no connection at all, so that whoever is idle makes room for them at once;
// those that are busy do so when the turn of the odd units has come round (every ten seconds).
//
// Owner: Janitor. Thread: control.
#pragma once

#include <vector>

#include "proxy/pool/pool_set.h"

namespace weir {

class ShareKeeper {
  public:
    static constexpr Duration kInterval = std::chrono::seconds(10);
    static constexpr Duration kIntervalStarved = std::chrono::seconds(1);

    explicit ShareKeeper(PoolSet& pools) : pools_(pools) {}

    // Splits what is due, and weighs who is in want now.
    void weigh(Instant now);

  private:
    void weigh(std::vector<Pool*>& pools, Instant now);
    void split(std::vector<Pool*>& pools, Instant now);
    [[nodiscard]] static bool is_settled(DatabaseState& database, Instant now);
    static void lift(std::vector<Pool*>& pools);

    PoolSet& pools_;
};

}  // namespace weir
