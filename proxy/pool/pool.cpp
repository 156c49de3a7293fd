#include "proxy/pool/pool.h"

#include <algorithm>

#include "proxy/pool/pool_group.h"

namespace weir {

Pool::Pool(PoolGroup& group, const PoolTarget& target, DatabaseConfig database, unsigned workers,
           uint64_t seed)
    : group_(group),
      database_state_(group.database_state()),
      user_state_(group.user_state()),
      endpoint_(target.endpoint),
      counters_(workers),
      latencies_(workers),
      database_(std::move(database)),
      idle_(workers),
      random_(seed) {
    caps_[cap_count_++] = &database_state_.servers;
    caps_[cap_count_++] = &user_state_.servers;
    if (target.backend != nullptr) caps_[cap_count_++] = &target.backend->servers;
}

Pool::~Pool() {
    for (IdleList& list : idle_) {
        while (list.pop_front() != nullptr) {
        }
    }
    while (waiters_.pop_front() != nullptr) {
    }
}

void Pool::set_owner(ServerConnection& server, LedgerState state, WorkerId worker) {
    if (++server.generation == 0) server.generation = 1;
    server.owner.store(ServerOwner{state, worker, server.generation}.pack(),
                       std::memory_order_release);
}

const PoolKey& Pool::key() const {
    return group_.key();
}

// ---- what is shared ----

void Pool::publish_outstanding() {
    const auto in_use = static_cast<int32_t>(leased_ + opening_);
    const auto waiting = static_cast<int32_t>(waiters_.size());
    if (in_use != told_in_use_) endpoint_->add_in_use(in_use - told_in_use_);
    if (waiting != told_waiting_) endpoint_->add_waiting(waiting - told_waiting_);
    told_in_use_ = in_use;
    told_waiting_ = waiting;
}

Cap* Pool::reserve_shared() {
    for (size_t i = 0; i < cap_count_; ++i) {
        if (caps_[i]->try_reserve()) continue;
        for (size_t taken = 0; taken < i; ++taken)
            caps_[taken]->release();
        return caps_[i];
    }
    return nullptr;
}

void Pool::release_shared() {
    for (Cap* cap : shared_caps())
        cap->release();
}

bool Pool::are_others_starved() const {
    return std::any_of(caps_.begin(), caps_.begin() + cap_count_,
                       [](const Cap* cap) { return cap->starved.load(std::memory_order_acquire); });
}

bool Pool::is_out_of_service() const {
    if (is_removed()) return true;
    if (endpoint_ == nullptr) return false;
    const HealthState state = endpoint_->verdict().state;
    return state == HealthState::Draining || state == HealthState::Down;
}

// ---- acquire ----

// First come, first served, also for those who have waited elsewhere before. Workers' clocks of one
// moment differ by their batches of events: who of the others comes first is told by the mutex.
void Pool::enqueue(Waiter& waiter, Instant now, Instant since) {
    wake_locked();
    waiter.ticket = ++last_ticket_;
    waiter.since = since;
    Waiter* later = nullptr;
    for (Waiter* w = waiters_.back(); since < now && w != nullptr && w->since > since;
         w = waiters_.previous(*w)) {
        later = w;
    }
    if (later == nullptr) {
        waiters_.push_back(waiter);
    } else {
        waiters_.insert(*later, waiter);
    }
    waiter.is_opening = false;
    if (waiter.wants_dedicated) ++dedicated_waiting_;
    sizing_.note_queue(true, now);
}

Pool::Acquired Pool::acquire(Waiter& waiter, WorkerId me, Instant now, Instant since) {
    const Guard lock(*this);
    Acquired out;
    const bool takes_any = !waiter.wants_dedicated;
    if (takes_any && !is_paused() && shared_waiting() == 0 && idle_count_ > 0) {
        out.server = pop_idle(me);
        out.home = out.server->load_owner().worker;
        lease_idle(*out.server, out.home, me);
        sizing_.note_use(in_use(), 0);
        return out;
    }
    // Routed clients are held while a server is down (breaker_hold), not refused.
    const bool is_down = total() == 0 && ramp_.is_pausing(now);
    if (takes_any && is_down && endpoint_ == nullptr && !is_paused()) {
        out.refused = last_failure_;
        return out;
    }
    enqueue(waiter, now, since);
    out.is_queued = true;
    sizing_.note_use(in_use(), static_cast<uint32_t>(waiters_.size()));
    out.open = open_for_waiters(me, now, &out.is_starved);
    if (out.open == nullptr && waiter.wants_dedicated) evict_for_dedicated(now, out);
    return out;
}

// Own idle connections first (their sockets are registered here), then those of the worker with the
// most.
ServerConnection* Pool::pop_idle(WorkerId me) {
    if (settings_.round_robin) return oldest_idle();
    IdleList* list = me < idle_.size() && !idle_[me].empty() ? &idle_[me] : nullptr;
    if (list == nullptr) {
        list = &*std::max_element(
            idle_.begin(), idle_.end(),
            [](const IdleList& a, const IdleList& b) { return a.size() < b.size(); });
    }
    return list->front();
}

ServerConnection* Pool::oldest_idle() {
    ServerConnection* oldest = nullptr;
    for (IdleList& list : idle_) {
        ServerConnection* candidate = list.back();
        if (candidate != nullptr &&
            (oldest == nullptr || candidate->idle_since < oldest->idle_since)) {
            oldest = candidate;
        }
    }
    return oldest;
}

void Pool::lease_idle(ServerConnection& server, WorkerId home, WorkerId me) {
    wake_locked();
    idle_[home].remove(server);
    --idle_count_;
    ++leased_;
    set_owner(server, LedgerState::Leased, me);
}

bool Pool::leave(Waiter& waiter, Instant now) {
    const Guard lock(*this);
    if (!waiter.is_linked()) return false;
    forget_waiter(waiter);
    sizing_.note_queue(!waiters_.empty(), now);
    return true;
}

void Pool::forget_waiter(Waiter& waiter) {
    waiters_.remove(waiter);
    waiter.is_opening = false;
    if (waiter.wants_dedicated) --dedicated_waiting_;
}

void Pool::forget_refusals() {
    const Guard lock(*this);
    const bool is_refused = last_failure_ && last_failure_->sqlstate.starts_with("28");
    if (!is_refused) return;
    ramp_.forgive();
    retry_at_us_.store(0, std::memory_order_relaxed);
    last_failure_.reset();
}

// ---- release ----

Grant Pool::grant_to(Waiter& waiter, ServerConnection& server, Instant now) {
    forget_waiter(waiter);
    sizing_.note_queue(!waiters_.empty(), now);
    return {waiter.client, waiter.ticket, &server, waiter.since};
}

// The first of the queue; or, since moving the connection's socket to another worker costs two
// system calls and maybe a wake-up, one of `me` that came at most fifo_slack later. There must be
// somebody.
Waiter& Pool::next_waiter(WorkerId me) {
    Waiter& first = first_shared_waiter();
    if (settings_.fifo_slack.count() == 0) return first;
    const Instant latest = first.since + settings_.fifo_slack;
    Waiter* candidate = &first;
    for (int i = 0; i < kLookAhead && candidate != nullptr && candidate->since <= latest; ++i) {
        if (candidate->client.worker == me && !candidate->wants_dedicated) return *candidate;
        candidate = waiters_.next(*candidate);
    }
    return first;
}

bool Pool::is_expired(const ServerConnection& server, Instant now) const {
    return settings_.lifetime.count() > 0 &&
           now - server.connected_at >= std::min(settings_.lifetime, server.lifetime);
}

// It will say until its next answer that it is a standby: no use to those who want the primary.
bool Pool::is_of_a_standby(const ServerConnection& server) const {
    return endpoint_ != nullptr && server.is_hot_standby &&
           endpoint_->verdict().role == Role::Primary;
}

Pool::Released Pool::release(ServerConnection& server, WorkerId me, Instant now, bool is_new) {
    const Guard lock(*this);
    Released out;
    const ServerOwner owner = server.load_owner();
    WEIR_CHECK(owner.worker == me);
    WEIR_CHECK(owner.state == (is_new ? LedgerState::Opening : LedgerState::Leased));
    if (is_new) {
        --opening_;
        ++leased_;
        set_owner(server, LedgerState::Leased, me);
        server.lifetime = jittered_lifetime(settings_.lifetime, random_);
        ramp_.on_success();
        is_trial_wanted_ = false;
        retry_at_us_.store(0, std::memory_order_relaxed);
        last_failure_.reset();
        if (server.host_turn < host_dead_until_.size()) host_dead_until_[server.host_turn] = {};
    }
    const bool is_over =
        settings_.size > 0 && staying() > static_cast<size_t>(settings_.size + settings_.reserve);
    const bool is_single_use = settings_.lifetime.count() == 0 && !is_new;
    const auto is_cap_over = [](const Cap* cap) { return cap->is_over(); };
    const auto caps = shared_caps();
    const auto must_close = [&out](const char* reason) {
        out.kind = Released::Kind::MustClose;
        out.reason = reason;
        return out;
    };
    if (server.epoch != epoch_) return must_close("close_needed");
    if (is_single_use) return must_close("server lifetime over");
    if (database_state_.removed.load()) return must_close("database removed");
    if (is_out_of_service()) return must_close("backend is out of service");
    if (is_over || std::any_of(caps.begin(), caps.end(), is_cap_over) ||
        (!is_new && (is_above_ceiling() || gives_back_for_others(server)))) {
        return must_close("server is no longer needed");
    }
    if (dedicated_waiting_ > 0 && makes_room_for_dedicated(now, is_new)) {
        mark_leaving(server);
        return must_close("evicted");
    }
    if (shared_waiting() > 0 && !is_paused()) {
        out.kind = Released::Kind::Granted;
        out.grant = grant_to(next_waiter(me), server, now);
        server.idle_since = {};
        set_owner(server, LedgerState::Leased, out.grant.client.worker);
        bool is_starved = false;
        out.open = open_for_waiters(me, now, &is_starved);
        return out;
    }
    const bool is_surplus = settings_.size > 0 && staying() > static_cast<size_t>(settings_.size);
    if (is_paused()) return must_close("pause mode");
    if (is_surplus) return must_close("server is no longer needed");
    if (!is_new && is_wanted_elsewhere()) return must_close("evicted");
    if (!is_new && is_expired(server, now)) return must_close("server lifetime over");
    --leased_;
    ++idle_count_;
    server.idle_since = now;
    idle_[me].push_front(server);
    set_owner(server, LedgerState::Idle, me);
    return out;
}

Pool::Retired Pool::retire(ServerConnection& server, WorkerId me, Instant now,
                           const std::optional<Error>& failure) {
    const Guard lock(*this);
    Retired out;
    const ServerOwner owner = server.load_owner();
    WEIR_CHECK(owner.worker == me);
    WEIR_CHECK(owner.state == LedgerState::Opening || owner.state == LedgerState::Leased);
    size_t& count = owner.state == LedgerState::Opening ? opening_ : leased_;
    WEIR_CHECK(count > 0);
    --count;
    const bool is_leaving = server.is_leaving;
    const bool is_dedicated = server.is_dedicated();
    const size_t host_turn = server.host_turn;
    if (is_dedicated)
        --(owner.state == LedgerState::Opening ? dedicated_opening_ : dedicated_leased_);
    server.reset();
    set_owner(server, LedgerState::Free, kNoWorker);
    free_slots_.push_back(server.slot);
    release_shared();
    if (is_leaving) {
        --leaving_;
        for (Cap* cap : shared_caps())
            cap->left();
    }
    if (total() == 0) group_.note_idle(now);
    // That a server refuses to replicate says nothing of other logins.
    const bool is_its_own = is_dedicated && failure && failure->sqlstate != "08006";
    const bool is_unreachable =
        failure && (failure->sqlstate == "57P03" || failure->sqlstate == "08006");
    // Another host of the list may do: no pause, and nobody is told.
    const bool may_try_another =
        is_unreachable && owner.state == LedgerState::Opening && note_dead_host(host_turn, now);
    if (failure && owner.state == LedgerState::Opening && !is_its_own && !may_try_another) {
        ramp_.on_failure(now, random_);
        retry_at_us_.store(ramp_.retry_at().us, std::memory_order_relaxed);
        last_failure_ = failure;
        if (database_.load_balance_hosts == LoadBalanceHosts::Disable) ++host_cursor_;
        // The server itself refused us: waiting longer will not help those who wait, unless it is
        // only starting up or shutting down (57P03), or other connections still serve the queue. A
        // connect that failed leaves them waiting: a restart is survived within query_wait_timeout.
        const std::string& state = failure->sqlstate;
        const bool is_passing = state == "57P03" || state == "08006";
        if (total() == 0 && !is_dedicated && (endpoint_ != nullptr || !is_passing))
            take_waiters(out.failed, now);
    }
    bool is_starved = false;
    out.relieves = are_others_starved();
    // A shared limit is given to whoever waits longest, which PoolSet::relieve finds out.
    if (!out.relieves) out.open = open_for_waiters(me, now, &is_starved);
    return out;
}

void Pool::hand_over(ServerConnection& server, WorkerId to) {
    const std::lock_guard lock(mutex_);
    const LedgerState state = server.load_owner().state;
    WEIR_CHECK(state == LedgerState::Opening || state == LedgerState::Leased);
    set_owner(server, state, to);
}

void Pool::announce_leaving(ServerConnection& server) {
    const std::lock_guard lock(mutex_);
    mark_leaving(server);
}

void Pool::mark_leaving(ServerConnection& server) {
    if (server.is_leaving) return;
    server.is_leaving = true;
    ++leaving_;
    for (Cap* cap : shared_caps())
        cap->leave();
}

}  // namespace weir
