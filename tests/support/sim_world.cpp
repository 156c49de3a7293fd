#include "tests/support/sim_world.h"

#include <algorithm>
#include <map>
#include <string>

#include "conf/logging.h"
#include "protocol/base/check.h"
#include "protocol/message/startup.h"
#include "proxy/auditor.h"
#include "proxy/session/cancel/cancels.h"
#include "proxy/takeover/adopt.h"
#include "proxy/takeover/collect.h"
#include "proxy/takeover/fields.h"
#include "proxy/takeover/letting_go.h"

namespace weir::sim {

namespace {

constexpr uint16_t kFirstPort = 5000;
constexpr Duration kTick = std::chrono::milliseconds(100);
constexpr int64_t kCalmMaxUs = 300'000'000;

int between(Prng& random, int low, int high) {
    return low + static_cast<int>(random.below(static_cast<uint64_t>(high - low + 1)));
}

int between_1_and_3(uint64_t seed) {
    Prng random(seed);
    return between(random, 1, 3);
}

// One that holds transactions back and rejects none. In session pooling a unit would be held for
// the life of its client.
void add_rate_limit(Config& config, PoolMode mode) {
    RateLimitConfig& limit = config.rate_limits["sim"];
    limit.name = "sim";
    limit.at = RatePoint::Transaction;
    limit.key = {RateKeyPart::Database, RateKeyPart::QueryClass};
    limit.rate_events = 200;
    limit.rate_per = std::chrono::seconds(1);
    limit.burst = 3;
    limit.bytes_per_second = 1'000'000;
    if (mode != PoolMode::Session) limit.concurrency = 3;
    limit.max_delay = std::chrono::hours(10);
}

// So short that the ordinary life of a world holds many. The actions stay off, but for what is done
// with a client that is gone.
void make_leaks_frequent(GlobalConfig& global) {
    global.leak_idle_transaction = global.leak_hold = global.leak_pin = global.leak_session_idle =
        global.leak_orphan = global.leak_buffer_time = std::chrono::milliseconds(20);
    global.leak_statements = 2;
    global.leak_buffer_bytes = 64;
}

}  // namespace

// ---- the plan ----

WorldPlan draw_plan(Prng& random) {
    WorldPlan out;
    out.workers = 1 + static_cast<unsigned>(random.below(3));
    out.databases = random.chance(30) ? 2 : 1;
    out.pool_size = between(random, 1, 4);
    out.reserve = random.chance(20) ? between(random, 1, 2) : 0;
    out.size_min = random.chance(20) ? between(random, 1, out.pool_size) : 0;
    out.user_max = out.databases > 1 && random.chance(60) ? between(random, 1, 3) : 0;
    const uint64_t mode = random.below(10);
    out.mode = mode < 6   ? PoolMode::Transaction
               : mode < 8 ? PoolMode::Session
                          : PoolMode::Statement;
    out.clients = static_cast<unsigned>(between(random, 3, 12));
    out.clients_total = between(random, 12, 40);
    out.has_server_faults = random.chance(50);
    out.pauses = random.chance(20);
    out.reloads = random.chance(30);
    out.rude = random.chance(50) ? static_cast<unsigned>(between(random, 1, 10)) : 0;
    out.cancels = random.chance(40) ? static_cast<unsigned>(between(random, 1, 10)) : 0;
    out.padding_max = random.chance(40) ? static_cast<size_t>(between(random, 100, 20000)) : 10;
    out.max_prepared = random.chance(30) ? between(random, 1, 4) : random.chance(10) ? 0 : 200;
    out.fault_us = between(random, 200'000, 3'000'000);
    if (random.chance(50)) {
        out.net.short_io = static_cast<unsigned>(between(random, 1, 40));
        out.net.again = static_cast<unsigned>(between(random, 0, 20));
    }
    if (out.has_server_faults && random.chance(50)) out.net.no_connect = 5;
    if (random.chance(50)) {
        out.net.buffer_min = static_cast<size_t>(between(random, 64, 512));
        out.net.buffer_max = out.net.buffer_min + random.below(4000);
        // A text of ten paddings must not hold its server for as long as a login may take.
        out.padding_max = std::min(out.padding_max, 20 * out.net.buffer_min);
    }
    out.net.is_fd_reused = random.chance(50);
    return out;
}

std::string WorldPlan::text() const {
    return "workers " + std::to_string(workers) + ", databases " + std::to_string(databases) +
           ", size " + std::to_string(pool_size) + ", reserve " + std::to_string(reserve) +
           ", min " + std::to_string(size_min) + ", user_max " + std::to_string(user_max) + ", " +
           to_string(mode) + ", clients " + std::to_string(clients) + ", server faults " +
           std::to_string(has_server_faults) + ", pauses " + std::to_string(pauses) + ", reloads " +
           std::to_string(reloads) + ", rude " + std::to_string(rude) + ", cancels " +
           std::to_string(cancels) + ", padding " + std::to_string(padding_max) +
           ", max_prepared " + std::to_string(max_prepared) + ", short " +
           std::to_string(net.short_io) + ", again " + std::to_string(net.again) + ", buffers " +
           std::to_string(net.buffer_min) + ".." + std::to_string(net.buffer_max);
}

// ---- the world ----

SimProcess::SimProcess(SimNet& net, Exchange& exchange, Clock& clock, const ConfigPtr& config,
                       const ParameterNames& names, unsigned count, uint64_t seed)
    : endpoints(count),
      pools(count, endpoints, seed),
      shared{.pools = pools, .exchange = exchange, .hosts = hosts, .names = names, .clock = clock},
      janitor(pools, exchange) {
    pools.configure(*config);
    shared.rates.configure(*config);
    for (unsigned i = 0; i < count; ++i) {
        workers.push_back(
            std::make_unique<SimWorker>(static_cast<WorkerId>(i), net, shared, config));
        workers.back()->worker.set_now(clock.now());
    }
}

SimWorld::SimWorld(uint64_t seed)
    : random_(seed),
      trace_(seed),
      plan_(draw_plan(random_)),
      has_rate_limits_(Prng(~seed).chance(25)),
      sizing_(static_cast<SizingMode>(Prng(~seed + 1).below(3))),
      database_max_(Prng(~seed + 2).chance(25) ? between_1_and_3(~seed + 3) : 0),
      net_(random_, trace_, plan_.net),
      cluster_(net_, random_, trace_),
      config_(make_config()),
      names_(config_->global.track_extra_parameters),
      takeovers_percent_(Prng(~seed + 4).chance(30) ? 8 : 0),
      process_(
          std::make_unique<SimProcess>(net_, *this, clock_, config_, names_, plan_.workers, seed)),
      next_tick_(clock_.now() + kTick),
      fault_end_(clock_.now() + Duration(plan_.fault_us)) {
    log::detail::threshold.store(LogLevel::Fatal);
    trace_.set_plan(plan_.text());
    bugs_before_ = internal_bugs_total();
    cluster_.is_session_pooling = plan_.mode == PoolMode::Session;
    cluster_.slow = 20;
    if (plan_.has_server_faults) cluster_.refuse_login = random_.chance(30) ? 10 : 0;
}

SimWorld::~SimWorld() = default;

std::shared_ptr<Config> SimWorld::make_config() const {
    auto out = std::make_shared<Config>();
    GlobalConfig& global = out->global;
    global.auth_type = AuthType::Trust;
    global.fifo_slack_us = 0;  // so that the order can be checked
    global.default_pool_size = plan_.pool_size;
    global.reserve_pool_size = plan_.reserve;
    global.reserve_pool_timeout = std::chrono::milliseconds(100);
    global.min_pool_size = plan_.size_min;
    global.max_user_connections = plan_.user_max;
    global.pool_mode = plan_.mode;
    global.pool_sizing = sizing_;
    global.max_db_connections = database_max_;
    global.max_client_conn = 1000;
    global.max_prepared_statements = plan_.max_prepared;
    global.server_login_retry = std::chrono::milliseconds(200);
    global.server_idle_timeout = std::chrono::seconds(2);
    global.server_check_delay = std::chrono::milliseconds(50);
    global.query_wait_timeout = Duration(0);
    global.client_tls_sslmode = global.server_tls_sslmode = SslMode::Disable;
    global.workers = static_cast<int>(plan_.workers);
    make_leaks_frequent(global);
    out->secrets["u"] = out->secrets["v"] = "secret";
    for (unsigned i = 0; i < plan_.databases; ++i) {
        DatabaseConfig database;
        database.name = database.dbname = "d" + std::to_string(i);
        database.hosts = {"10.0.0.1"};
        database.port = static_cast<uint16_t>(kFirstPort + i);
        out->databases[database.name] = database;
    }
    if (has_rate_limits_) add_rate_limit(*out, plan_.mode);
    return out;
}

template <typename Fn>
void SimWorld::for_each_session(Fn&& fn) {
    for (auto& it : process_->workers) {
        Slab<ClientSession>& slab = it->worker.context().clients_slab;
        for (uint32_t slot = 0; slot < slab.capacity(); ++slot) {
            ClientSession& session = *slab.at(slot);
            if (session.phase != ClientPhase::Free) fn(session);
        }
    }
}

void SimWorld::post(WorkerId to, WorkerMessage message) {
    trace_.note("post: to, kind", to, static_cast<int64_t>(message.kind));
    if (to >= process_->workers.size())
        return trace_.fail("message for a worker that does not exist");
    process_->workers[to]->messages.push_back(std::move(message));
}

void SimWorld::post_grant(const Grant& grant) {
    trace_.note("post grant: to, ticket", grant.client.worker, static_cast<int64_t>(grant.ticket));
    const Pool* pool = grant.server->pool;
    for_each_session([&](const ClientSession& session) {
        const bool queues = session.pool == pool && session.Waiter::is_linked();
        if (queues && session.Waiter::ticket < grant.ticket &&
            !came_later(session.Waiter::since, grant.waiting_since))
            trace_.fail("ticket " + std::to_string(grant.ticket) + " is served before " +
                        std::to_string(session.Waiter::ticket));
    });
    process_->workers[grant.client.worker]->grants.push_back(grant);
}

// After a take-over those who wait queue up anew, by when they came first. Else tickets alone tell:
// workers' clocks are those of their batches.
bool SimWorld::came_later(Instant since, Instant than) const {
    return takeovers_ > 0 && since > than;
}

// ---- steps ----

void SimWorld::step() {
    ++steps_;
    trace_.set_now(clock_.now().us - 1'000'000'000);
    const uint64_t choice = random_.below(100);
    bool did = false;
    if (choice < 50) {
        did = step_worker();
    } else if (choice < 70) {
        did = step_client();
    } else if (choice < 90) {
        did = cluster_.step(clock_.now());
    } else if (choice < 95) {
        did = cluster_.accept(clock_.now());
    } else {
        did = step_control();
    }
    if (!is_calm_) step_faults();
    pass_time(did);
    check();
}

bool SimWorld::step_worker() {
    SimWorker& it = *process_->workers[random_.below(process_->workers.size())];
    if (!it.is_in_batch) {
        begin_batch(it);
        return it.is_in_batch;
    }
    watch_waiters(it, false);
    step_batch(it);
    watch_waiters(it, true);
    WorkerContext& context = it.worker.context();
    if (!context.to_server.empty()) trace_.fail("bytes for a server are left over");
    if (!context.to_client.empty()) trace_.fail("bytes for a client are left over");
    return true;
}

void SimWorld::begin_batch(SimWorker& it) {
    it.batch.clear();
    it.next = 0;
    it.io.fetch(it.batch, 1 + random_.below(16));
    if (!it.messages.empty() || !it.grants.empty()) {
        const IoEvent inbox{{static_cast<uint64_t>(Watch::Kind::Loop)}, true, false, false};
        const auto at = static_cast<ptrdiff_t>(random_.below(it.batch.size() + 1));
        it.batch.insert(it.batch.begin() + at, inbox);
    }
    const int sleep = it.worker.sleep_ms();
    const Instant since = it.worker.context().now;
    const bool is_due = sleep >= 0 && since + std::chrono::milliseconds(sleep) <= clock_.now();
    if (it.batch.empty() && !is_due) return;
    it.worker.set_now(clock_.now());
    it.is_in_batch = true;
}

// The next item of the batch: a grant, then a message of the inbox being drained, else an event.
void SimWorld::step_batch(SimWorker& it) {
    const WorkerId id = it.worker.context().id;
    if (!it.grants_running.empty()) {
        const Grant grant = it.grants_running.front();
        it.grants_running.pop_front();
        trace_.note("grant arrives: worker, ticket", id, static_cast<int64_t>(grant.ticket));
        return it.worker.on_grant(grant);
    }
    if (!it.messages_running.empty()) {
        WorkerMessage message = std::move(it.messages_running.front());
        it.messages_running.pop_front();
        trace_.note("message: worker, kind", id, static_cast<int64_t>(message.kind));
        return it.worker.on_message(message);
    }
    if (it.next < it.batch.size()) {
        const IoEvent event = it.batch[it.next++];
        if (event.watch.kind() != Watch::Kind::Loop) {
            trace_.note("event: worker, kind, rwb", id, static_cast<int64_t>(event.watch.kind()),
                        event.readable * 100 + event.writable * 10 + event.broken);
            return it.worker.on_event(event, it.next < it.batch.size());
        }
        it.grants_running.assign(it.grants.begin(), it.grants.end());
        it.grants.clear();
        for (WorkerMessage& message : it.messages)
            it.messages_running.push_back(std::move(message));
        it.messages.clear();
        return;
    }
    it.worker.on_time();
    it.is_in_batch = false;
}

bool SimWorld::step_client() {
    const bool may_come = last_client_ < plan_.clients_total && !is_calm_;
    if (may_come && clients_.size() < plan_.clients && random_.chance(20)) {
        new_client();
        return true;
    }
    for (size_t i = 0; i < cancels_.size(); ++i) {
        cancels_[i]->peer_send(cancel_bytes_[i]);
        if (cancels_[i]->fly(random_, is_calm_)) return true;
        if (!cancels_[i]->is_over_for_peer()) continue;
        cancels_[i]->peer_close();
        cancels_.erase(cancels_.begin() + static_cast<ptrdiff_t>(i));
        cancel_bytes_.erase(cancel_bytes_.begin() + static_cast<ptrdiff_t>(i));
        return true;
    }
    if (clients_.empty()) return false;
    const size_t index = random_.below(clients_.size());
    FakeClient& client = *clients_[index];
    const bool did = client.step(clock_.now(), is_calm_);
    if (const uint64_t key = client.take_cancel()) send_cancel(key);
    if (client.is_gone()) {
        answers_ += client.answers;
        clients_.erase(clients_.begin() + static_cast<ptrdiff_t>(index));
    }
    return did;
}

void SimWorld::new_client() {
    ClientPlan plan;
    plan.number = ++last_client_;
    plan.user = database_max_ > 0 && plan.number % 2 == 0 ? "v" : "u";
    plan.database = "d" + std::to_string(random_.below(plan_.databases));
    plan.may_begin = plan_.mode != PoolMode::Statement;
    plan.may_name = plan_.mode == PoolMode::Session || plan_.max_prepared > 0;
    plan.may_fail = true;
    plan.may_deallocate = random_.chance(30);
    plan.may_lose = plan_.has_server_faults;
    plan.rude = plan_.rude;
    plan.cancels = plan_.cancels;
    plan.padding_max = plan_.padding_max;
    plan.actions = between(random_, 0, 30);
    const LinkPtr link = net_.make(false, 0);
    trace_.note("client: number, link", plan.number, link->id);
    clients_.push_back(std::make_unique<FakeClient>(plan, link, random_, trace_));
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::NewClient;
    message.fd = link->fd;
    message.address = *Address::from_ip("10.1.1.1", static_cast<uint16_t>(plan.number));
    post(static_cast<WorkerId>(random_.below(workers())), std::move(message));
}

void SimWorld::send_cancel(uint64_t key) {
    const LinkPtr link = net_.make(false, 0);
    cancels_.push_back(link);
    cancel_bytes_.push_back(make_cancel_request(CancelKey::of_word(key)));
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::NewClient;
    message.fd = link->fd;
    message.address = *Address::from_ip("10.1.1.2", 1);
    post(static_cast<WorkerId>(random_.below(workers())), std::move(message));
}

bool SimWorld::step_control() {
    if (!control_.empty()) {
        const ControlMessage message = std::move(control_.front());
        control_.pop_front();
        trace_.note("control: kind", static_cast<int64_t>(message.kind));
        if (message.kind == ControlMessage::Kind::Evict) process_->janitor.relieve(clock_.now());
        return true;
    }
    if (clock_.now() < next_tick_) return false;
    next_tick_ = clock_.now() + kTick;
    process_->janitor.tick(clock_.now());
    if (plan_.pauses) step_pause();
    if (plan_.reloads && !is_calm_ && random_.chance(20)) reload();
    if (!is_calm_ && takeovers_percent_ > 0 && random_.chance(takeovers_percent_) &&
        can_take_over())
        take_over();
    if (plan_.has_server_faults && plan_.pauses && !is_calm_ && random_.chance(3)) kill();
    return true;
}

// As Control::reload(): other limits, none above those of the plan.
void SimWorld::reload() {
    const std::shared_ptr<Config> config = make_config();
    GlobalConfig& global = config->global;
    global.default_pool_size = between(random_, 1, plan_.pool_size);
    global.min_pool_size = std::min(global.min_pool_size, global.default_pool_size);
    if (plan_.max_prepared > 0) global.max_prepared_statements = between(random_, 1, 5);
    const bool recycles = random_.chance(30);
    trace_.note("reload: size, recycles", global.default_pool_size, recycles);
    config_ = config;
    process_->pools.configure(*config_);
    process_->shared.rates.configure(*config_);
    std::vector<Pool*> pools;
    process_->pools.for_each_pool([&](Pool& pool) { pools.push_back(&pool); });
    for (Pool* pool : pools) {
        if (!recycles) continue;
        pool->recycle();
        process_->janitor.close_idle(*pool, "test");
    }
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::ConfigChanged;
    message.config = config_;
    for (unsigned i = 0; i < workers(); ++i)
        post(static_cast<WorkerId>(i), message);
}

// As Control::kill(); RESUME comes with the next step_pause() that says so.
void SimWorld::kill() {
    const std::string database = "d" + std::to_string(random_.below(plan_.databases));
    trace_.note("kill");
    process_->pools.for_each_database([&](DatabaseState& state) {
        if (state.name == database) state.paused.store(true);
    });
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::KillDatabase;
    message.text = database;
    message.text2 = "database removed";
    for (unsigned i = 0; i < workers(); ++i)
        post(static_cast<WorkerId>(i), message);
    std::vector<Pool*> pools;
    process_->pools.for_each_pool([&](Pool& pool) { pools.push_back(&pool); });
    for (Pool* pool : pools) {
        if (pool->key().database == database) process_->janitor.close_idle(*pool, "test");
    }
}

// What another process cannot go on with is waited for.
bool SimWorld::can_take_over() {
    bool can = true;
    process_->pools.for_each_pool([&can](Pool& pool) { can = can && pool.counts().opening == 0; });
    for_each_session([&can](const ClientSession& session) {
        can = can && session.phase != ClientPhase::Authenticating;
    });
    return can;
}

namespace {

// By way of bytes, as between processes.
template <typename T>
void send(std::vector<T>& records, SimTrace& trace) {
    for (T& record : records) {
        std::optional<T> received = read_record<T>(as_bytes(write_record(record)));
        if (!received) return trace.fail("a record cannot be read");
        if constexpr (requires { record.fd; }) received->fd = record.fd;
        record = std::move(*received);
    }
}

}  // namespace

// As weir -R: another process, with another number of workers, goes on; nobody notices.
void SimWorld::take_over() {
    const auto drain = [this] {
        bool did = false;
        for (auto& it : process_->workers) {
            it->batch.clear();
            it->next = 0;
            for (Grant& grant : it->grants)
                it->grants_running.push_back(grant);
            for (WorkerMessage& message : it->messages)
                it->messages_running.push_back(std::move(message));
            it->grants.clear();
            it->messages.clear();
            while (!it->grants_running.empty() || !it->messages_running.empty()) {
                step_batch(*it);
                did = true;
            }
            if (it->is_in_batch) {  // they stand still behind the end of one
                step_batch(*it);
                did = true;
            }
        }
        return did;
    };
    while (drain()) {
    }
    if (!can_take_over()) return;  // one of the messages was to open a connection
    ++takeovers_;
    std::vector<WorkerContext*> contexts;
    for (auto& it : process_->workers)
        contexts.push_back(&it->worker.context());
    HandedWorld world = collect(contexts, process_->shared, *config_);
    trace_.note("takeover: sessions, servers", static_cast<int64_t>(world.sessions.size()),
                static_cast<int64_t>(world.servers.size()));
    for (HandedServer& it : world.servers)
        it.fd = net_.dup(it.fd);
    for (HandedSession& it : world.sessions)
        it.fd = net_.dup(it.fd);
    for (HandedCancel& it : world.cancels)
        it.fd = net_.dup(it.fd);
    send(world.welcomes, trace_);
    send(world.groups, trace_);
    send(world.statements, trace_);
    send(world.servers, trace_);
    send(world.sessions, trace_);
    send(world.cancels, trace_);
    world.process = *read_record<HandedProcess>(as_bytes(write_record(world.process)));
    let_go(contexts, process_->shared);
    for (auto& it : process_->workers)
        leaks_ += leaks_of(*it);
    const std::unique_ptr<SimProcess> before = std::move(process_);
    process_ =
        std::make_unique<SimProcess>(net_, *this, clock_, config_, names_,
                                     1 + static_cast<unsigned>(random_.below(3)), random_.next());
    contexts.clear();
    for (auto& it : process_->workers)
        contexts.push_back(&it->worker.context());
    const Result<Adoption> adopted =
        adopt(world, contexts, process_->shared, *config_, clock_.now());
    if (!adopted) return trace_.fail("adopt: " + adopted.error().message);
    for (unsigned i = 0; i < workers(); ++i) {
        WorkerMessage message;
        message.kind = WorkerMessage::Kind::Adopted;
        post(static_cast<WorkerId>(i), std::move(message));
    }
}

void SimWorld::step_pause() {
    const bool pauses = !is_calm_ && random_.chance(40);
    process_->pools.for_each_database([&](DatabaseState& state) { state.paused.store(pauses); });
    std::vector<Pool*> pools;
    process_->pools.for_each_pool([&](Pool& pool) { pools.push_back(&pool); });
    trace_.note("paused", pauses);
    for (Pool* pool : pools) {
        if (pauses) {
            process_->janitor.close_idle(*pool, "test");
        } else {
            process_->janitor.serve_waiters(*pool, clock_.now());
        }
    }
}

void SimWorld::step_faults() {
    if (!plan_.has_server_faults) return;
    const uint64_t choice = random_.below(20000);
    if (choice < 6) cluster_.crash_one();
    if (choice == 6) cluster_.is_down = true;
    if (choice > 6 && choice < 40) cluster_.is_down = false;
}

void SimWorld::pass_time(bool did) {
    clock_.advance(1 + static_cast<int64_t>(random_.below(20)));
    idle_steps_ = did ? 0 : idle_steps_ + 1;
    // Nothing seems to go on: wait for what time brings.
    if (idle_steps_ > 60) clock_.advance(static_cast<int64_t>(random_.below(20'000)));
}

// ---- checks ----

// The one who is served has the lowest ticket of all that queue.
void SimWorld::watch_waiters(SimWorker& it, bool is_after) {
    Slab<ClientSession>& slab = it.worker.context().clients_slab;
    if (!is_after) waiting_before_.clear();
    for (uint32_t slot = 0; !is_after && slot < slab.capacity(); ++slot) {
        const ClientSession& session = *slab.at(slot);
        if (session.Waiter::is_linked())
            waiting_before_.push_back({slot, session.ticket, session.Waiter::since});
    }
    for (size_t i = 0; is_after && i < waiting_before_.size(); ++i) {
        const Waiting& before = waiting_before_[i];
        const ClientSession& served = *slab.at(before.slot);
        if (served.phase != ClientPhase::Active || served.ticket == before.ticket) continue;
        trace_.note("served: worker, slot, ticket", it.worker.context().id, before.slot,
                    static_cast<int64_t>(before.ticket));
        for_each_session([&](const ClientSession& other) {
            const bool queues = other.pool == served.pool && other.Waiter::is_linked();
            if (queues && other.ticket < before.ticket &&
                !came_later(other.Waiter::since, before.since))
                trace_.fail("ticket " + std::to_string(before.ticket) + " is served before " +
                            std::to_string(other.ticket));
        });
    }
}

void SimWorld::check() {
    if (internal_bugs_total() != bugs_before_) trace_.fail("WEIR_BUG was reported");
    if (steps_ % 8 == 0) check_limits();
}

void SimWorld::check_limits() {
    std::map<uint16_t, size_t> totals;  // of the pools of a database, which has a port of its own
    std::map<std::string, size_t> by_user;
    const auto limit = static_cast<size_t>(plan_.pool_size + plan_.reserve);
    process_->pools.for_each_pool([&](Pool& pool) {
        const Pool::Counts counts = pool.counts();
        const size_t total = counts.idle + counts.leased + counts.opening;
        if (total > limit) trace_.fail("the ledger holds more connections than allowed");
        totals[pool.database().port] += total;
        by_user[pool.key().user] += total;
    });
    for (const auto& [port, total] : totals) {
        const size_t seen = cluster_.connections(port);
        if (seen > total) {
            trace_.fail("the server has " + std::to_string(seen) + " connections, the ledger " +
                        std::to_string(total));
        }
        if (database_max_ > 0 && total > static_cast<size_t>(database_max_))
            trace_.fail("more connections to a database than max_db_connections");
    }
    for (const auto& [user, total] : by_user) {
        if (plan_.user_max > 0 && total > static_cast<size_t>(plan_.user_max))
            trace_.fail("more connections of the user than max_user_connections");
    }
}

// ---- the run ----

std::string SimWorld::describe() {
    std::string out;
    for (const auto& client : clients_)
        out += "; " + client->state();
    process_->pools.for_each_pool([&](const Pool& pool) {
        const Pool::Counts counts = pool.counts();
        out += "; pool " + pool.key().database + ": idle " + std::to_string(counts.idle) +
               " leased " + std::to_string(counts.leased) + " opening " +
               std::to_string(counts.opening) + " waiting " + std::to_string(counts.waiting);
    });
    for_each_session([&](const ClientSession& session) {
        out += "; session " + std::to_string(session.client_id().worker) + "/" +
               std::to_string(session.slot) + " phase " +
               std::to_string(static_cast<int>(session.phase)) + " held " +
               std::to_string(session.held.size()) + " unsent " +
               std::to_string(session.outbox.size());
        if (session.server != nullptr)
            out += " server phase " + std::to_string(static_cast<int>(session.server->phase)) +
                   " pending " + std::to_string(session.server->tracker.pending()) + " unsent " +
                   std::to_string(session.server->outbox.size()) + " watched " +
                   std::to_string(session.server->reads) + std::to_string(session.server->writes);
    });
    return out;
}

// Everybody is served and goes, in bounded time; then nothing is in use any more.
bool SimWorld::wait_until_calm() {
    is_calm_ = cluster_.is_calm = true;
    cluster_.is_down = false;
    cluster_.refuse_login = 0;
    net_.faults.short_io = net_.faults.again = net_.faults.no_connect = 0;
    const Instant limit = clock_.now() + Duration(kCalmMaxUs);
    while (!trace_.has_failed()) {
        step();
        if (clock_.now() > limit) trace_.fail("not calm in time" + describe());
        bool is_quiet = clients_.empty() && cancels_.empty() && control_.empty();
        for (auto& it : process_->workers) {
            is_quiet = is_quiet && !it->is_in_batch && it->messages.empty() && it->grants.empty() &&
                       it->worker.context().clients_slab.in_use() == 0 &&
                       it->worker.context().cancels->in_flight() == 0 &&
                       it->worker.context().owned.front() == nullptr;
        }
        if (!is_quiet) continue;
        process_->pools.for_each_pool([&](Pool& pool) {
            const Pool::Counts counts = pool.counts();
            is_quiet = is_quiet && counts.leased + counts.opening + counts.waiting == 0 &&
                       pool.group().clients.load() == 0;
        });
        if (is_quiet) break;
    }
    return !trace_.has_failed();
}

uint64_t SimWorld::leaks_of(SimWorker& it) {
    uint64_t found = 0;
    for (const uint64_t count : it.worker.context().leaks->registry().totals().found)
        found += count;
    return found;
}

// Nothing is held any more: no finding goes on, and the ledgers agree that it is so.
void SimWorld::check_leaks() {
    std::vector<std::vector<const ServerConnection*>> held(process_->workers.size());
    for (auto& it : process_->workers) {
        const LeakTotals& totals = it->worker.context().leaks->registry().totals();
        leaks_ += leaks_of(*it);
        for (size_t i = 0; i < kLeakKinds; ++i) {
            if (totals.open[i] != 0) trace_.fail("a leak was found and its end was not");
        }
    }
    process_->pools.for_each_pool([&](Pool& pool) {
        const auto wrong = find_discrepancies(pool, pool.audit(), held);
        if (!wrong.empty()) trace_.fail("the ledger: " + wrong[0].what);
    });
}

void SimWorld::finish() {
    for (const auto& backend : cluster_.all()) {
        if (backend->counts() && backend->is_in_transaction())
            trace_.fail("an idle server is in a transaction");
    }
    std::vector<Pool*> pools;
    process_->pools.for_each_pool([&](Pool& pool) { pools.push_back(&pool); });
    for (Pool* pool : pools)
        process_->janitor.close_idle(*pool, "test");
    if (!wait_until_calm()) return;
    check_leaks();
    if (process_->pools.clients.used() != 0) trace_.fail("units of max_client_conn are left over");
    for (const RateRulePtr& rule : process_->shared.rates.rules()->transaction) {
        for (const RateTable::HotKey& key : rule->table().hottest(100)) {
            if (key.held != 0) trace_.fail("units of a rate limit are left over");
        }
        if (rule->totals().rejected != 0) trace_.fail("a rate limit rejected somebody");
    }
    for (auto& it : process_->workers) {
        WorkerMessage stop;
        it->worker.on_message(stop);
    }
    if (net_.open_fds() != 0)
        trace_.fail(std::to_string(net_.open_fds()) + " descriptors are left open");
}

bool SimWorld::run() {
    while (!trace_.has_failed() && clock_.now() < fault_end_)
        step();
    if (!trace_.has_failed() && wait_until_calm()) finish();
    if (trace_.has_failed()) trace_.print();
    return !trace_.has_failed();
}

}  // namespace weir::sim
