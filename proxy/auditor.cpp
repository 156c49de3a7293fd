#include "proxy/auditor.h"

#include <algorithm>
#include <map>

#include "conf/logging.h"

namespace weir {

namespace {

bool contains(const std::vector<Discrepancy>& list, const Discrepancy& one) {
    return std::any_of(list.begin(), list.end(),
                       [&one](const Discrepancy& other) { return other.is_like(one); });
}

std::string counted(const char* what, size_t said, size_t found) {
    return fmt::format("{} counted {}, found {}", what, said, found);
}

}  // namespace

std::vector<Discrepancy> find_discrepancies(
    const Pool& pool, const Pool::Audit& audit,
    const std::vector<std::vector<const ServerConnection*>>& held) {
    std::vector<Discrepancy> out;
    const auto compare = [&](const char* what, size_t said, size_t found) {
        if (said != found) out.push_back({&pool, nullptr, 0, counted(what, said, found)});
    };
    compare("idle", audit.counts.idle, audit.idle);
    compare("leased", audit.counts.leased, audit.leased);
    compare("opening", audit.counts.opening, audit.opening);
    compare("in the lists of idle ones", audit.idle, audit.listed_idle);
    compare("free", audit.listed_free, audit.free);

    std::map<const ServerConnection*, WorkerId> holders;
    for (size_t worker = 0; worker < held.size(); ++worker) {
        for (const ServerConnection* server : held[worker]) {
            if (server->pool != &pool) continue;
            const uint64_t owner = server->owner.load(std::memory_order_acquire);
            const ServerOwner is = ServerOwner::unpack(owner);
            const bool is_right = is.worker == worker && (is.state == LedgerState::Leased ||
                                                          is.state == LedgerState::Opening);
            if (!is_right) {
                out.push_back({&pool, server, owner,
                               fmt::format("slot {} is held by worker {}, to whom it is not lent",
                                           server->slot, worker)});
            }
            holders[server] = static_cast<WorkerId>(worker);
        }
    }
    for (const Pool::Lent& lent : audit.lent) {
        const ServerOwner owner = ServerOwner::unpack(lent.owner);
        const auto holder = holders.find(lent.server);
        if (holder != holders.end() && holder->second == owner.worker) continue;
        out.push_back({&pool, lent.server, lent.owner,
                       fmt::format("slot {} is lent to worker {}, who does not hold it",
                                   lent.server->slot, owner.worker)});
    }
    return out;
}

std::vector<Discrepancy> repeated(const std::vector<Discrepancy>& before,
                                  const std::vector<Discrepancy>& now) {
    std::vector<Discrepancy> out;
    for (const Discrepancy& one : now) {
        if (contains(before, one)) out.push_back(one);
    }
    return out;
}

void Auditor::tick(Instant now, const GlobalConfig& global) {
    const LeakLimits limits = LeakLimits::of(global);
    if (limits.has_lease_rules() && now >= next_wake_) wake_sleepers(now, limits.look_interval());
    if (!global.leak_count_check) {
        suspects_.clear();
    } else if (now >= next_check_ && !is_gathering_) {
        check_counts(now);
    }
}

void Auditor::wake_sleepers(Instant now, Duration interval) {
    next_wake_ = now + interval;
    bool is_anything_lent = false;
    for (const Pool* pool : pools_.wakes().awake())
        is_anything_lent = is_anything_lent || pool->counts().leased > 0;
    if (!is_anything_lent) return;
    for (unsigned worker = 0; worker < exchange_.workers(); ++worker) {
        const Instant looked{looked_at_us_[worker].load(std::memory_order_relaxed)};
        if (now - looked < interval) continue;
        WorkerMessage message;
        message.kind = WorkerMessage::Kind::LookForLeaks;
        exchange_.post(static_cast<WorkerId>(worker), std::move(message));
    }
}

void Auditor::check_counts(Instant now) {
    next_check_ = now + kCheckEvery;
    audits_.clear();
    // One that sleeps has nothing lent, and its counts were looked at when it last was awake.
    for (Pool* pool : pools_.wakes().awake())
        audits_.push_back({pool, pool->audit()});
    if (audits_.empty()) return;
    is_gathering_ = true;
    gather_([this, now](std::vector<WorkerSnapshot> snapshots) {
        is_gathering_ = false;
        compare(now, snapshots);
    });
}

void Auditor::compare(Instant now, const std::vector<WorkerSnapshot>& snapshots) {
    std::vector<std::vector<const ServerConnection*>> held;
    for (const WorkerSnapshot& snapshot : snapshots)
        held.push_back(snapshot.holdings);
    std::vector<Discrepancy> found;
    for (const Audited& it : audits_) {
        for (Discrepancy& one : find_discrepancies(*it.pool, it.audit, held))
            found.push_back(std::move(one));
    }
    std::vector<Discrepancy> certain = repeated(suspects_, found);
    for (const Discrepancy& one : certain) {
        if (!contains(reported_, one)) report(one, now);
    }
    reported_ = std::move(certain);
    suspects_ = std::move(found);
}

void Auditor::report(const Discrepancy& discrepancy, Instant now) {
    LeakReport report;
    report.kind = LeakKind::CountMismatch;
    report.state = LeakState::Noted;
    report.database = discrepancy.pool->key().database;
    report.user = discrepancy.pool->key().user;
    report.reason = discrepancy.what;
    report.since = next_check_ + -kCheckEvery * 2;
    report.first_seen = report.last_seen = now;
    log::error("LEAK {}", leak_text(report, now));
    registry_.add(std::move(report));
    (void)WEIR_BUG(discrepancy.pool != nullptr);  // ours, whatever peers do
}

void Auditor::add_reports(WorkerSnapshot& snapshot) const {
    snapshot.leaks.insert(snapshot.leaks.end(), registry_.reports().begin(),
                          registry_.reports().end());
    snapshot.leak_totals.add(registry_.totals());
}

}  // namespace weir
