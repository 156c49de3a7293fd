// Auditor: the control thread's part of leak detection. Wakes workers that have not looked for
// leaks by themselves (one that is busy does), and compares what the ledgers say with what the
// workers hold (L6): a connection that nobody holds, or that two hold, is lost to its pool or in
// danger. Off the path of every query: the pools are locked one by one, the workers asked by a
// message, every kCheckEvery.
//
// Between the reading of a ledger and a worker's answer a connection may change hands, which is no
// mistake. But every change gives it a new owner word; so what is wrong with the same word at two
// checks in a row is wrong. Owner: Control. Thread: control.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "proxy/leaks/leak_registry.h"
#include "proxy/leaks/leak_rules.h"
#include "proxy/pool/pool_set.h"
#include "proxy/session/message.h"

namespace weir {

// Something that does not agree.
struct Discrepancy {
    const Pool* pool = nullptr;
    const ServerConnection* server = nullptr;  // null: the counts of the pool
    uint64_t owner = 0;                        // of the server, as it was seen
    std::string what;

    [[nodiscard]] bool is_like(const Discrepancy& other) const {
        return pool == other.pool && server == other.server && owner == other.owner &&
               what == other.what;
    }
};

// What the ledger of `pool` says of itself, and of what it has lent to worker w; `held[w]` is what
// w says it holds, asked later. Pure, but for the owner words of the connections.
std::vector<Discrepancy> find_discrepancies(
    const Pool& pool, const Pool::Audit& audit,
    const std::vector<std::vector<const ServerConnection*>>& held);
// Those that were there before, too.
std::vector<Discrepancy> repeated(const std::vector<Discrepancy>& before,
                                  const std::vector<Discrepancy>& now);

class Auditor {
  public:
    using Done = std::function<void(std::vector<WorkerSnapshot>)>;
    // `gather` asks every worker what it holds and calls back on this thread.
    Auditor(PoolSet& pools, Exchange& exchange,
            const std::array<std::atomic<int64_t>, kMaxWorkers>& looked_at_us,
            std::function<void(Done)> gather)
        : pools_(pools),
          exchange_(exchange),
          looked_at_us_(looked_at_us),
          gather_(std::move(gather)) {}

    void tick(Instant now, const GlobalConfig& global);
    // L6 is not any worker's: its reports are told with the first one's.
    void add_reports(WorkerSnapshot& snapshot) const;
    [[nodiscard]] const LeakTotals& leak_totals() const { return registry_.totals(); }

  private:
    void wake_sleepers(Instant now, Duration interval);
    void check_counts(Instant now);
    void compare(Instant now, const std::vector<WorkerSnapshot>& snapshots);
    void report(const Discrepancy& discrepancy, Instant now);

    static constexpr Duration kCheckEvery = std::chrono::seconds(10);

    struct Audited {
        Pool* pool = nullptr;
        Pool::Audit audit;
    };

    PoolSet& pools_;
    Exchange& exchange_;
    const std::array<std::atomic<int64_t>, kMaxWorkers>& looked_at_us_;
    const std::function<void(Done)> gather_;
    LeakRegistry registry_;
    std::vector<Audited> audits_;        // of the check that is under way
    std::vector<Discrepancy> suspects_;  // of the last check
    std::vector<Discrepancy> reported_;
    Instant next_check_;
    Instant next_wake_;
    bool is_gathering_ = false;
};

}  // namespace weir
