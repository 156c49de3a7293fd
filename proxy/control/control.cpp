#include "proxy/control/control.h"

#include <openssl/crypto.h>

#include <utility>

#include "conf/logging.h"
#include "proxy/health_plan.h"
#include "proxy/runtime/system_users.h"

namespace weir {

namespace {

constexpr unsigned kTickMs = 100;
constexpr Duration kBuriedFor = std::chrono::seconds(60);
constexpr std::chrono::milliseconds kChecksPatience{300};

}  // namespace

Control::Control(std::string config_file, ConfigPtr config, bool is_quiet)
    : ctx_(std::move(config_file), std::move(config), is_quiet),
      suspension_([this](WorkerMessage message, std::function<void(uint64_t)> complete) {
          snapshots_.count(std::move(message), std::move(complete));
      }),
      inbox_(ctx_.loop, [this](ControlMessage& message) { on_message(message); }),
      auditor_(ctx_.pools, ctx_.workers, ctx_.shared.looked_at_us,
               [this](Auditor::Done done) { snapshots_.gather(true, std::move(done)); }) {
    ctx_.workers.set_control([this](ControlMessage message) { post(std::move(message)); });
}

Control::~Control() = default;

void Control::set_console(VirtualDatabase& console) {
    ctx_.shared.console = &console;
}

Status Control::listen(const std::vector<int>& inherited) {
    if (Status opened = names_.open(); !opened) return opened;
    const GlobalConfig& global = ctx_.config->global;
    for (const int fd : inherited) {
        log::info("socket passed from service manager (fd {})", fd);
        if (Status adopted = ctx_.listeners.adopt(fd); !adopted) return adopted;
    }
    if (inherited.empty()) {
        if (Status opened = ctx_.listeners.open(global); !opened) return opened;
    } else {
        ctx_.listeners.configure(global);
        if (!global.listen_addr.empty())
            log::warning("sockets passed from service manager, cf_listen_addr ignored");
        if (!global.unix_socket_dir.empty())
            log::warning("sockets passed from service manager, cf_unix_socket_dir ignored");
    }
    if (Status some = ctx_.listeners.check(); !some) return some;
    for (const ListeningSocket& socket : ctx_.listeners.rows()) {
        ctx_.note(ProcessEvent::Kind::Listener, fmt::format("{}:{}", socket.addr, socket.port),
                  "listening");
    }
    return pidfile_.write(global.pidfile);
}

void Control::create_workers() {
    if (ctx_.workers.workers() == 0)
        ctx_.workers.create(ctx_.workers_count, ctx_.shared, ctx_.config);
}

Status Control::take_over(std::unique_ptr<Taker> taker) {
    create_workers();
    const std::string& pidfile = ctx_.config->global.pidfile;
    if (Status taken = taken_over_.take(std::move(taker), pidfile); !taken) return taken;
    if (Status written = pidfile_.write(pidfile); !written)
        log::error("{}", written.error().message);  // there is no way back
    return {};
}

Status Control::hand_over(ClientId client) {
    if (Status may = handing_over_.check(); !may) return may;
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::Detach;
    message.client = client;
    ctx_.workers.post(client.worker, std::move(message));
    return {};
}

bool Control::run(const std::function<void()>& on_up) {
    create_workers();
    ctx_.health.configure(make_health_plan(*ctx_.config));  // when there are workers to tell
    ctx_.insight.configure(ctx_.config->global);
    taken_over_.go_on();  // the first that workers hear of
    log::info("process up: Weir {}, {} workers, libuv {}, adns: {}, tls: {}", WEIR_VERSION,
              ctx_.workers_count, uv_version_string(), resolver_version(),
              OpenSSL_version(OPENSSL_VERSION));
    ctx_.note(ProcessEvent::Kind::Process, "", "up", fmt::format("Weir {}", WEIR_VERSION));
    ctx_.workers.start(ctx_.listeners.all(), ctx_.config->global.fold_workers);
    ticker_ = std::make_unique<Ticker>(ctx_.loop, kTickMs, [this] { on_tick(); });
    ctx_.service.ready();
    if (on_up) on_up();
    ctx_.loop.run();
    predecessors_.stop();
    ctx_.note(ProcessEvent::Kind::Process, "", "ending");
    handing_over_.cancel();
    ctx_.health.stop();  // while those whom it tells are there
    ctx_.insight.stop();
    ctx_.workers.stop();
    ticker_.reset();
    life_cycle_.ignore_signals();
    ctx_.listeners.close();
    pidfile_.remove();
    return ctx_.checks.stop(kChecksPatience);
}

void Control::on_tick() {
    if (handing_over_.is_frozen()) return;
    if (handing_over_.is_over()) return end_gone();
    const Instant now = ctx_.clock.now();
    suspension_.tick(now);
    // What stands still is left alone.
    if (!suspension_.is_flushed()) ctx_.janitor.tick(now);
    folding_.on_tick(now);
    auditor_.tick(now, ctx_.config->global);
    if (on_tick_) on_tick_(now);
    life_cycle_.on_tick(now);
    names_.on_tick(now);
    free_buried(now);
    if (ctx_.service.is_ping_due(now)) {
        // The answer of every worker says that all of them live.
        snapshots_.gather(true,
                          [this](const std::vector<WorkerSnapshot>&) { ctx_.service.ping(); });
    }
}

// Whoever has taken over from us goes on with those before us. In what they have sent until now may
// be a session that is to follow first.
void Control::end_gone() {
    for (const HandedLink& link : predecessors_.take_all())
        handing_over_.send_link(link);
    if (handing_over_.is_over()) (void)life_cycle_.shutdown(ShutdownMode::Now);
}

// Buried for so long that no worker has an event of theirs at hand, as its answer proves.
void Control::free_buried(Instant now) {
    const Instant before = now + -kBuriedFor;
    if (is_freeing_ || !ctx_.pools.has_buried(before)) return;
    is_freeing_ = true;
    snapshots_.gather(true, [this, before](const std::vector<WorkerSnapshot>&) {
        is_freeing_ = false;
        ctx_.pools.destroy_buried(before);
    });
}

void Control::on_message(ControlMessage& message) {
    VirtualDatabase* console = ctx_.shared.console;
    switch (message.kind) {
        case ControlMessage::Kind::ConsoleInput:
            console->on_messages(
                {message.client, message.user, message.database, message.address, message.is_admin},
                message.text);
            break;
        case ControlMessage::Kind::ConsoleDisconnect: console->on_disconnect(message.client); break;
        case ControlMessage::Kind::ConsoleCancel: console->on_cancel(message.client); break;
        case ControlMessage::Kind::Resolve: names_.resolve(message.text); break;
        case ControlMessage::Kind::FindSystemUser:
            find_user(message.question, message.system_user);
            break;
        case ControlMessage::Kind::Evict: ctx_.janitor.relieve(ctx_.clock.now()); break;
        case ControlMessage::Kind::Detached: handing_over_.start(message.fd); break;
        case ControlMessage::Kind::Event: ctx_.events.add(*message.event); break;
    }
}

void Control::find_user(const LoginQuestion& question, uint32_t uid) {
    const auto done = [this, question, life = std::weak_ptr(life_)](std::string name) {
        if (life.expired()) return;
        WorkerMessage message;
        message.kind = WorkerMessage::Kind::LoginAnswer;
        message.answer = std::make_shared<LoginAnswer>();
        message.answer->question = question;
        message.answer->value = SystemUser{std::move(name)};
        ctx_.workers.post(question.client.worker, std::move(message));
    };
    find_system_user(ctx_.loop, uid, done);
}

void Control::reply(ClientId client, std::string bytes, std::vector<AttachedDescriptor> descriptors,
                    bool close_after) {
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::ConsoleReply;
    message.client = client;
    message.text = std::move(bytes);
    message.descriptors = std::move(descriptors);
    message.flag = close_after;
    ctx_.workers.post(client.worker, std::move(message));
}

void Control::snapshot(bool with_details, std::function<void(std::vector<WorkerSnapshot>)> done) {
    auto complete = [this, done = std::move(done)](std::vector<WorkerSnapshot> snapshots) {
        auditor_.add_reports(snapshots.front());
        done(std::move(snapshots));
    };
    if (with_details) return snapshots_.gather_details(std::move(complete));
    snapshots_.gather(false, std::move(complete));
}

void Control::census(std::function<void(std::vector<WorkerCensus>)> done) {
    auto complete = [this, done = std::move(done)](std::vector<WorkerCensus> all) {
        all.front().leaks.add(auditor_.leak_totals());
        done(std::move(all));
    };
    snapshots_.census(ctx_.clock.now(), std::move(complete));
}

std::vector<Inspector::WorkerView> Control::worker_views() {
    std::vector<WorkerView> out;
    for (const WorkerContext* worker : ctx_.workers.contexts())
        out.push_back({&worker->stats, ctx_.workers.cpu_time(worker->id)});
    return out;
}

void Control::kill_client(uint64_t id, std::function<void(Status)> done) {
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::KillClient;
    message.server_id = id;
    message.text = "admin forced disconnect";
    snapshots_.count(std::move(message), [done = std::move(done)](uint64_t killed) {
        done(killed > 0 ? Status() : fail("08P01", "client not found"));
    });
}

void Control::health(std::function<void(HealthSnapshot)> done) {
    ctx_.health.snapshot([this, done = std::move(done)](HealthSnapshot snapshot) {
        inbox_.call_later([done, all = std::move(snapshot)]() mutable { done(std::move(all)); });
    });
}

void Control::queries(size_t queries_max, bool with_slow,
                      std::function<void(InsightSnapshot)> done) {
    ctx_.insight.snapshot(
        queries_max, with_slow, [this, done = std::move(done)](InsightSnapshot snapshot) {
            inbox_.call_later(
                [done, all = std::move(snapshot)]() mutable { done(std::move(all)); });
        });
}

void Control::reset_queries(std::function<void(Status)> done) {
    ctx_.insight.reset([later = inbox_.later(std::move(done))] { later(Status()); });
}

void Control::order(HealthRegistry::Order order, std::string backend,
                    std::function<void(Status)> done) {
    ctx_.health.give(order, std::move(backend), inbox_.later(std::move(done)));
}

void Control::reweight(std::string backend, std::optional<double> weight,
                       std::function<void(Status)> done) {
    ctx_.health.reweight(std::move(backend), weight, inbox_.later(std::move(done)));
}

}  // namespace weir
