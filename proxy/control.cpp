#include "proxy/control.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>
#include <utility>

#include "conf/diff.h"
#include "conf/loader.h"
#include "conf/logging.h"
#include "protocol/base/random.h"
#include "proxy/health_plan.h"

namespace weir {

namespace {

constexpr unsigned kTickMs = 100;

constexpr int kSignals[] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};

}  // namespace

unsigned Control::worker_count(const GlobalConfig& global) {
    const unsigned wanted = global.workers > 0 ? static_cast<unsigned>(global.workers)
                                               : std::thread::hardware_concurrency();
    return std::clamp(wanted, 1U, kMaxWorkers);
}

Control::Control(std::string config_file, ConfigPtr config, bool is_quiet)
    : config_file_(std::move(config_file)),
      is_quiet_(is_quiet),
      config_(std::move(config)),
      workers_count_(worker_count(config_->global)),
      endpoints_(workers_count_),
      pools_(workers_count_, endpoints_, random_seed()),
      names_(config_->global.track_extra_parameters),
      shared_{
          .pools = pools_, .exchange = workers_, .hosts = hosts_, .names = names_, .clock = clock_},
      janitor_(pools_, workers_),
      auditor_(pools_, workers_, shared_.looked_at_us,
               [this](Auditor::Done done) { gather(true, std::move(done)); }),
      wakeup_(loop_, [this] { drain_inbox(); }),
      health_(endpoints_, [this](const HealthChanges& changes) { on_health(changes); }) {
    secure_random(shared_.mock_secret);
    pools_.configure(*config_);
    shared_.rates.configure(*config_);
    ::signal(SIGPIPE, SIG_IGN);
    for (const int number : kSignals) {
        signals_.push_back(
            std::make_unique<SignalHandle>(loop_, number, [this, number] { on_signal(number); }));
    }
    workers_.set_control([this](ControlMessage message) { post(std::move(message)); });
}

Control::~Control() = default;

void Control::set_console(VirtualDatabase& console) {
    shared_.console = &console;
}

// ---- life ----

Status Control::listen() {
    const GlobalConfig& global = config_->global;
    Result<std::vector<ListenAddress>> addresses = listen_addresses(global);
    if (!addresses) return tl::unexpected<Error>(addresses.error());
    std::string failures;
    for (const ListenAddress& entry : *addresses) {
        if (!entry.socket_file.empty()) {
            if (Status free = remove_stale_socket(entry.address, entry.socket_file); !free)
                return free;
        }
        const Result<int> fd = listen_on(entry.address, global.listen_backlog, global.so_reuseport);
        if (!fd) {
            log::warning("{}", fd.error().message);
            failures += (failures.empty() ? "" : "; ") + fd.error().message;
            if (!entry.socket_file.empty()) return tl::unexpected<Error>(fd.error());
            continue;
        }
        listeners_.push_back(*fd);
        if (!entry.socket_file.empty()) {
            chmod(entry.socket_file.c_str(), static_cast<mode_t>(global.unix_socket_mode));
            files_.push_back(entry.socket_file);
        }
        log::info("listening on {}", entry.name);
    }
    if (Status written = write_pidfile(); !written) return written;
    if (listeners_.empty()) {
        return fail("58000", failures.empty()
                                 ? "nowhere to listen on: set listen_addr or unix_socket_dir"
                                 : failures);
    }
    return {};
}

Status Control::write_pidfile() {
    const std::string& path = config_->global.pidfile;
    if (path.empty()) return {};
    std::FILE* file = std::fopen(path.c_str(), "w");
    const bool is_written =
        file != nullptr && std::fprintf(file, "%d\n", static_cast<int>(getpid())) > 0;
    if (file == nullptr || std::fclose(file) != 0 || !is_written) {
        return fail("58000", "cannot write pidfile " + path + ": " + std::strerror(errno));
    }
    files_.push_back(path);  // removed at the end like the socket files
    return {};
}

void Control::run() {
    workers_.create(workers_count_, shared_, config_);
    health_.configure(make_health_plan(*config_));  // when there are workers to tell
    workers_.start(listeners_);
    ticker_ = std::make_unique<Ticker>(loop_, kTickMs, [this] { on_tick(); });
    log::info("process up: Weir {}, {} workers", WEIR_VERSION, workers_count_);
    loop_.run();
    health_.stop();  // while those whom it tells are there
    workers_.stop();
    ticker_.reset();
    signals_.clear();
    // On the way out a second signal must not turn a clean exit into a death by signal.
    for (const int number : kSignals)
        ::signal(number, SIG_IGN);
    stop_listening();
}

void Control::stop_listening() {
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::StopAccepting;
    if (!is_stopping_) workers_.broadcast(message);
    for (const int fd : listeners_)
        ::close(fd);
    listeners_.clear();
    for (const std::string& file : files_)
        ::unlink(file.c_str());
    files_.clear();
}

void Control::on_signal(int number) {
    log::info("got signal {}", number);
    switch (number) {
        case SIGHUP: (void)reload(); break;
        case SIGTERM:
            (void)shutdown(shutdown_ ? ShutdownMode::Now : ShutdownMode::WaitForClients);
            break;
        case SIGINT:
            (void)shutdown(shutdown_ ? ShutdownMode::Now : ShutdownMode::WaitForServers);
            break;
        case SIGQUIT: (void)shutdown(ShutdownMode::Now); break;
        case SIGUSR1:
            if (!shutdown_) (void)pause(std::nullopt);
            break;
        case SIGUSR2:
            if (!shutdown_) (void)resume(std::nullopt);
            break;
        default: break;
    }
}

Status Control::shutdown(ShutdownMode mode) {
    shutdown_ = mode;
    shared_.is_shutting_down.store(true);
    if (mode == ShutdownMode::Now) {
        is_stopping_ = true;
        loop_.stop();
        return {};
    }
    log::info("shutting down: {}", mode == ShutdownMode::WaitForClients
                                       ? "waiting for clients to leave"
                                       : "waiting for servers to be released");
    if (mode == ShutdownMode::WaitForServers) {
        if (!is_paused_) (void)pause(std::nullopt);
        WorkerMessage message;
        message.kind = WorkerMessage::Kind::CloseWaiting;
        message.text = "server shutting down";
        workers_.broadcast(message);
    }
    return {};
}

bool Control::can_stop() {
    if (*shutdown_ == ShutdownMode::WaitForClients) return pools_.clients.used() == 0;
    return is_quiet(std::nullopt);
}

void Control::on_tick() {
    const Instant now = clock_.now();
    janitor_.tick(now);
    auditor_.tick(now, config_->global);
    if (on_tick_) on_tick_(now);
    if (shutdown_ && can_stop()) (void)shutdown(ShutdownMode::Now);
}

// ---- messages ----

void Control::post(ControlMessage message) {
    bool was_empty;
    {
        const std::lock_guard lock(mutex_);
        was_empty = inbox_.empty() && calls_.empty();
        inbox_.push_back(std::move(message));
    }
    if (was_empty) wakeup_.wake();
}

void Control::call_later(std::function<void()> call) {
    bool was_empty;
    {
        const std::lock_guard lock(mutex_);
        was_empty = inbox_.empty() && calls_.empty();
        calls_.push_back(std::move(call));
    }
    if (was_empty) wakeup_.wake();
}

void Control::drain_inbox() {
    std::vector<ControlMessage> messages;
    std::deque<std::function<void()>> calls;
    {
        const std::lock_guard lock(mutex_);
        messages.swap(inbox_);
        calls.swap(calls_);
    }
    for (ControlMessage& message : messages)
        on_message(message);
    for (const auto& call : calls)
        call();
}

void Control::on_message(ControlMessage& message) {
    VirtualDatabase* console = shared_.console;
    switch (message.kind) {
        case ControlMessage::Kind::ConsoleInput:
            console->on_messages({message.client, message.user, message.database, message.is_admin},
                                 message.text);
            break;
        case ControlMessage::Kind::ConsoleDisconnect: console->on_disconnect(message.client); break;
        case ControlMessage::Kind::ConsoleCancel: console->on_cancel(message.client); break;
        case ControlMessage::Kind::Resolve: resolve_host(message.text); break;
        case ControlMessage::Kind::Evict: janitor_.relieve(clock_.now()); break;
    }
}

void Control::on_health(const HealthChanges& changes) {
    if (!changes.routes_changed) return;
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::RoutesChanged;
    workers_.broadcast(message);
}

void Control::resolve_host(const std::string& host) {
    resolve(loop_, host, [this, host](std::vector<std::string> ips, const std::string& error) {
        const Instant now = clock_.now();
        if (error.empty()) {
            hosts_.put(host, std::move(ips), now + config_->global.dns_max_ttl);
        } else {
            log::warning("DNS lookup failed: {}: {}", host, error);
            hosts_.put_failure(host, error, now + config_->global.dns_nxdomain_ttl);
        }
        WorkerMessage message;
        message.kind = WorkerMessage::Kind::Resolved;
        message.text = host;
        workers_.broadcast(message);
    });
}

void Control::reply(ClientId client, std::string bytes, bool close_after) {
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::ConsoleReply;
    message.client = client;
    message.text = std::move(bytes);
    message.flag = close_after;
    workers_.post(client.worker, std::move(message));
}

namespace {

// Collects one snapshot per worker; the last one in completes it.
class Gathering final : public SnapshotSink {
  public:
    Gathering(unsigned workers, std::function<void(std::vector<WorkerSnapshot>)> complete)
        : snapshots_(workers), missing_(workers), complete_(std::move(complete)) {}

    void deliver(WorkerId worker, WorkerSnapshot snapshot) override {
        {
            const std::lock_guard lock(mutex_);
            snapshots_[worker] = std::move(snapshot);
            if (--missing_ > 0) return;
        }
        complete_(std::move(snapshots_));
    }

  private:
    std::mutex mutex_;
    std::vector<WorkerSnapshot> snapshots_;
    unsigned missing_;
    const std::function<void(std::vector<WorkerSnapshot>)> complete_;
};

}  // namespace

void Control::snapshot(std::function<void(std::vector<WorkerSnapshot>)> done) {
    gather(false, [this, done = std::move(done)](std::vector<WorkerSnapshot> snapshots) {
        auditor_.add_reports(snapshots.front());
        done(std::move(snapshots));
    });
}

// `is_brief`: only what the workers hold.
void Control::gather(bool is_brief, std::function<void(std::vector<WorkerSnapshot>)> done) {
    auto complete = [this, done = std::move(done)](std::vector<WorkerSnapshot> snapshots) {
        call_later([done, all = std::move(snapshots)]() mutable { done(std::move(all)); });
    };
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::Snapshot;
    message.flag = is_brief;
    message.sink = std::make_shared<Gathering>(workers_count_, std::move(complete));
    workers_.broadcast(message);
}

// ---- backends ----

std::function<void(Status)> Control::later(std::function<void(Status)> done) {
    return [this, done = std::move(done)](Status status) {
        call_later([done, status = std::move(status)] { done(status); });
    };
}

void Control::health(std::function<void(HealthSnapshot)> done) {
    health_.snapshot([this, done = std::move(done)](HealthSnapshot snapshot) {
        call_later([done, all = std::move(snapshot)]() mutable { done(std::move(all)); });
    });
}

void Control::order(HealthRegistry::Order order, std::string backend,
                    std::function<void(Status)> done) {
    health_.give(order, std::move(backend), later(std::move(done)));
}

void Control::reweight(std::string backend, std::optional<double> weight,
                       std::function<void(Status)> done) {
    health_.reweight(std::move(backend), weight, later(std::move(done)));
}

// ---- commands ----

Status Control::reload() {
    const LoadResult loaded = load_config(config_file_, config_.get());
    if (!loaded.config) {
        std::string all;
        for (const ConfigError& error : loaded.errors) {
            const std::string line =
                error.file + ":" + std::to_string(error.line) + ": " + error.message;
            log::error("{}", line);
            all += (all.empty() ? "" : "\n") + line;
        }
        return fail("F0000", all);
    }
    const std::vector<std::string> undone = undone_edits(*config_, *loaded.config);
    apply(loaded.config);
    if (Status reopened = init_logging(config_->global, is_quiet_); !reopened) {
        log::error("{}", reopened.error().message);
    }
    log::info("configuration reloaded from {}", config_file_);
    for (const std::string& text : undone)
        log::warning("{}", text);
    return {};
}

Status Control::add_backend(const BackendAddition& wanted) {
    Result<ConfigPtr> next = with_backend(*config_, wanted);
    if (!next) return tl::unexpected<Error>(next.error());
    apply(std::move(*next));
    const BackendConfig& backend = config_->backends.at(wanted.name);
    log::info("backend \"{}\" ({} port {}) added to database \"{}\", until a RELOAD", wanted.name,
              backend.host, backend.port, wanted.database);
    return {};
}

Status Control::remove_backend(const std::string& name,
                               const std::optional<std::string>& database) {
    Result<ConfigPtr> next = without_backend(*config_, name, database);
    if (!next) return tl::unexpected<Error>(next.error());
    apply(std::move(*next));
    log::info("backend \"{}\" removed from {}, until a RELOAD", name,
              database ? "database \"" + *database + "\"" : "all databases");
    return {};
}

void Control::apply(ConfigPtr next) {
    const ConfigPtr before = std::exchange(config_, std::move(next));
    std::vector<std::string> removed;
    std::vector<std::string> recycled;
    pools_.for_each_database([&](DatabaseState& state) {
        const DatabaseFate fate = fate_of_database(*before, *config_, state.name);
        if (fate == DatabaseFate::Removed) removed.push_back(state.name);
        if (fate == DatabaseFate::Removed || fate == DatabaseFate::Recycled)
            recycled.push_back(state.name);
    });
    pools_.configure(*config_);
    shared_.rates.configure(*config_);
    for (const std::string& name : recycled)
        recycle(name);
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::ConfigChanged;
    message.config = config_;
    workers_.broadcast(message);
    janitor_.empty_removed_pools(clock_.now());
    health_.configure(make_health_plan(*config_));
    for (const std::string& name : removed)
        kill_clients(name);
}

// Connections of the database lead elsewhere now: idle ones are closed, others when they come back.
void Control::recycle(const std::string& database) {
    pools_.for_each_pool([&](Pool& pool) {
        if (pool.key().database != database) return;
        pool.recycle();
        pool.group().forget_welcomes();
        janitor_.close_idle(pool, "database configuration changed");
    });
}

void Control::kill_clients(const std::string& database) {
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::KillDatabase;
    message.text = database;
    message.text2 = "database removed";
    workers_.broadcast(message);
}

Status Control::for_databases(const std::optional<std::string>& name,
                              const std::function<Status(DatabaseState&)>& action) {
    if (name) {
        const auto database = config_->find_database(*name);
        if (!database) return fail("08P01", "no such database: " + *name);
        return action(pools_.database(*config_, *database));
    }
    for (const auto& [key, database] : config_->databases)
        (void)pools_.database(*config_, database);
    Status out;
    pools_.for_each_database([&](DatabaseState& state) {
        if (Status done = action(state); !done) out = done;
    });
    return out;
}

Status Control::pause(const std::optional<std::string>& database) {
    if (!database && is_paused_) return fail("08P01", "already suspended/paused");
    const Status paused = for_databases(database, [&](DatabaseState& state) -> Status {
        if (database && state.paused.load()) {
            return fail("08P01", "database already paused: " + state.name);
        }
        state.paused.store(true);
        return {};
    });
    if (!paused) return paused;
    if (!database) is_paused_ = true;
    pools_.for_each_pool([&](Pool& pool) {
        if (pool.database_state().paused.load()) janitor_.close_idle(pool, "pooler paused");
    });
    return {};
}

bool Control::is_quiet(const std::optional<std::string>& database) {
    bool is_quiet = true;
    pools_.for_each_pool([&](Pool& pool) {
        if (database && pool.key().database != *database) return;
        const Pool::Counts counts = pool.counts();
        is_quiet = is_quiet && counts.leased == 0 && counts.opening == 0;
    });
    return is_quiet;
}

Status Control::resume(const std::optional<std::string>& database) {
    if (shutdown_) return fail("08P01", "pooler is shutting down");
    if (!database && !is_paused_) return fail("08P01", "pooler is not paused/suspended");
    const Status resumed = for_databases(database, [&](DatabaseState& state) -> Status {
        if (database && !state.paused.load())
            return fail("08P01", "database is not paused: " + state.name);
        state.paused.store(false);
        return {};
    });
    if (!resumed) return resumed;
    if (!database) is_paused_ = false;
    const Instant now = clock_.now();
    std::vector<Pool*> pools;
    pools_.for_each_pool([&](Pool& pool) { pools.push_back(&pool); });
    for (Pool* pool : pools)
        janitor_.serve_waiters(*pool, now);
    return {};
}

Status Control::kill(const std::optional<std::string>& database) {
    const Status marked = for_databases(database, [](DatabaseState& state) -> Status {
        state.paused.store(true);
        return {};
    });
    if (!marked) return marked;
    kill_clients(database.value_or(""));
    pools_.for_each_pool([&](Pool& pool) {
        if (pool.database_state().paused.load()) janitor_.close_idle(pool, "database killed");
    });
    return {};
}

}  // namespace weir
