// Of each (database, user) that has been used, or of all without series of their own together.
#include <algorithm>
#include <map>

#include "admin/metrics/collector.h"

namespace weir {

namespace {

constexpr std::string_view kOther = "_other";

struct PoolFigures {
    PoolRecord record;
    PoolCensus census;
    size_t idle = 0, leased = 0, opening = 0;
    uint64_t size_max = 0, size_target = 0;
    bool is_unlimited = false;
    bool is_used = false;  // it has, or had, clients or connections
    Duration oldest_wait{0};

    void add(const PoolFigures& more) {
        record.add(more.record);
        census.add(more.census);
        idle += more.idle;
        leased += more.leased;
        opening += more.opening;
        size_max += more.size_max;
        size_target += more.size_target;
        is_unlimited = is_unlimited || more.is_unlimited;
        is_used = is_used || more.is_used;
        oldest_wait = std::max(oldest_wait, more.oldest_wait);
    }
};

void add_pool(PoolFigures& figures, const Pool& pool, Instant now) {
    for (const PoolCounters& counters : pool.counters())
        figures.record.add(counters);
    const Pool::SizeView size = pool.size_view();
    figures.size_target += std::min<uint64_t>(size.target, SizeControl::kUnlimited);
    figures.size_max += static_cast<uint64_t>(std::max(size.max, 0));
    figures.is_unlimited = figures.is_unlimited || size.max == 0;
    const Pool::Counts counts = pool.counts();
    figures.idle += counts.idle;
    figures.leased += counts.leased;
    figures.opening += counts.opening;
    if (!counts.oldest_wait.is_never() && counts.oldest_wait < now)
        figures.oldest_wait = std::max(figures.oldest_wait, now - counts.oldest_wait);
    figures.is_used = figures.is_used || counts.idle + counts.leased + counts.opening > 0 ||
                      counts.waiting > 0 || figures.record.totals.client_logins > 0 ||
                      figures.record.totals.server_assignments > 0;
}

void add_states(Exposition& out, std::string_view database, std::string_view user,
                const PoolFigures& figures) {
    const auto state = [&](Metric metric, std::string_view name, size_t count) {
        out.add(metric, {database, user, name}, static_cast<double>(count));
    };
    const PoolCensus& census = figures.census;
    state(Metric::PoolClients, "idle", census.clients_idle);
    state(Metric::PoolClients, "active", census.clients_active);
    state(Metric::PoolClients, "waiting", census.clients_waiting);
    state(Metric::PoolClients, "throttled", census.clients_throttled);
    // The census is a moment older than the ledger, which bounds it.
    const size_t tested = std::min(census.servers_tested, figures.leased);
    const size_t cancelled = std::min(census.servers_being_cancelled, figures.leased - tested);
    state(Metric::PoolServers, "idle", figures.idle);
    state(Metric::PoolServers, "active", figures.leased - tested - cancelled);
    state(Metric::PoolServers, "tested", tested);
    state(Metric::PoolServers, "being_cancelled", cancelled);
    state(Metric::PoolServers, "login", figures.opening);
    for (size_t i = 0; i < kPinReasons; ++i)
        state(Metric::PoolPins, to_text(static_cast<PinReason>(i)), census.pins[i]);
}

void add_figures(Exposition& out, std::string_view database, std::string_view user,
                 const PoolFigures& figures) {
    add_states(out, database, user, figures);
    const auto count = [&](Metric metric, uint64_t value) {
        out.add(metric, {database, user}, static_cast<double>(value));
    };
    if (!figures.is_unlimited) count(Metric::PoolSizeMax, figures.size_max);
    count(Metric::PoolSizeTarget, figures.size_target);
    out.add(Metric::PoolOldestWait, {database, user},
            static_cast<double>(figures.oldest_wait.count()) / 1e6);
    const PoolTotals& totals = figures.record.totals;
    count(Metric::PoolTransactions, totals.transactions);
    count(Metric::PoolQueries, totals.queries);
    count(Metric::PoolAssignments, totals.server_assignments);
    count(Metric::PoolLogins, totals.client_logins);
    count(Metric::PoolReceived, totals.bytes_received);
    count(Metric::PoolSent, totals.bytes_sent);
    count(Metric::PoolClientParses, totals.client_parses);
    count(Metric::PoolServerParses, totals.server_parses);
    count(Metric::PoolBinds, totals.binds);
    count(Metric::PoolPreparedHits, totals.prepared_hits);
    count(Metric::PoolPreparedMisses, totals.prepared_misses);
    const PoolHistogramTotals& histograms = figures.record.histograms;
    out.add(Metric::PoolWait, {database, user}, histograms.wait);
    out.add(Metric::PoolQuery, {database, user}, histograms.query);
    out.add(Metric::PoolTransaction, {database, user}, histograms.transaction);
    out.add(Metric::PoolHold, {database, user}, histograms.hold);
}

}  // namespace

void collect_pools(const MetricsInput& input, Exposition& out) {
    std::map<const PoolGroup*, PoolCensus> census;
    for (const WorkerCensus& worker : input.census) {
        for (const auto& [group, pool] : worker.pools)
            census[group].add(pool);
    }
    PoolSet& pools = input.inspector.pools();
    const Instant now = input.inspector.now();
    PoolFigures other;
    other.record = pools.gone_without_series();
    size_t unlisted = 0;
    const PoolGroup* group = nullptr;  // whose figures these are:
    PoolFigures figures;
    const auto finish_group = [&] {
        if (group == nullptr || !figures.is_used) return;
        if (const auto counted = census.find(group); counted != census.end())
            figures.census = counted->second;
        if (group->has_series)
            return add_figures(out, group->key().database, group->key().user, figures);
        ++unlisted;
        other.add(figures);
    };
    pools.for_each_pool([&](Pool& pool) {
        if (&pool.group() != group) {
            finish_group();
            group = &pool.group();
            figures = {};
        }
        add_pool(figures, pool, now);
    });
    finish_group();
    if (unlisted > 0 || other.record.totals.client_logins > 0)
        add_figures(out, kOther, kOther, other);
    out.add(Metric::PoolsUnlisted, static_cast<double>(unlisted));
}

}  // namespace weir
