// Janitor: looks after all pools from the control thread: keeps their sizes, closes idle
// connections past their time, opens those that min_pool_size or the reserve asks for, and gives
// the units of shared limits to whoever waits longest, within fair shares (see ShareKeeper). Owner:
// Control. Thread: control.
#pragma once

#include <string_view>
#include <vector>

#include "proxy/pool/pool_set.h"
#include "proxy/pool/share_keeper.h"
#include "proxy/session/message.h"

namespace weir {

// The owner of connections that the control thread has taken out of idle to close them.
constexpr WorkerId kControlWorker = 254;

class Janitor {
  public:
    Janitor(PoolSet& pools, Exchange& exchange)
        : pools_(pools), exchange_(exchange), shares_(pools) {}

    // A round over the pools that are awake (WakeList).
    void tick(Instant now);
    // A shared limit (max_db_connections, max_user_connections) is in somebody's way: evict the
    // least recently used idle connection of its users, for the pool whose oldest waiter waits
    // longest. One that is within its fair share is left alone for a second by those who have
    // theirs.
    void relieve(Instant now);
    // Closes the idle connections of a pool (PAUSE, RELOAD, KILL).
    void close_idle(Pool& pool, std::string_view reason);
    // `host` no longer has these addresses: idle connections to them are closed, others when they
    // come back.
    void close_gone(const std::string& host, const std::vector<std::string>& ips);
    // RELOAD has taken backends away: who waits for one of them is sent elsewhere.
    void empty_removed_pools(Instant now);
    // RESUME, or a new limit: idle connections and new ones for those who wait.
    void serve_waiters(Pool& pool, Instant now);

  private:
    void tick(Pool& pool, Instant now);
    void bury_idle_groups(Instant now);
    void close(Pool& pool, ServerConnection& server, std::string_view reason);
    void open_elsewhere(ServerConnection* server);
    void open_wanted(Pool& pool, Instant now);
    void evict_for(Pool& needy, size_t demand, Instant now);
    static bool is_spared(const Pool& victim, Duration idle, const Pool& needy);
    WorkerId next_opener();

    PoolSet& pools_;
    Exchange& exchange_;
    ShareKeeper shares_;
    unsigned opener_ = 0;
    std::vector<Pool::Expired> expired_;  // scratch
};

}  // namespace weir
