#include "health/health_thread.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "conf/logging.h"
#include "health/cluster_plan.h"
#include "health/prober.h"
#include "protocol/base/random.h"

namespace weir {

namespace {

tl::unexpected<Error> nobody_is_watched() {
    return fail("42704",
                "no such backend: none is watched, as no database is routed over several; SHOW "
                "BACKENDS lists those that are");
}

void log_event(const HealthEvent& event) {
    const std::string who =
        event.address.empty() ? event.backend : event.backend + " (" + event.address + ")";
    std::string what = event.reason;
    if (event.kind != HealthEvent::Kind::Notice) {
        const char* breaker = event.kind == HealthEvent::Kind::Breaker ? "breaker " : "";
        what = breaker + event.from + " -> " + event.to + ": " + event.reason;
    }
    if (event.is_alert) {
        log::warning("health: {}: {}", who, what);
    } else {
        log::info("health: {}: {}", who, what);
    }
}

}  // namespace

// What lives on the thread's stack.
class HealthThread::Loop {
  public:
    explicit Loop(EndpointTable& table)
        : wakeup(table.wakeup()),
          registry(table, random_seed()),
          patroni(registry, clock),
          prober(registry, clock, wakeup, patroni) {}

    SystemClock clock;
    EventFd& wakeup;
    HealthRegistry registry;
    PatroniWatch patroni;
    Prober prober;
};

HealthThread::HealthThread(EndpointTable& table, OnChanges on_changes)
    : table_(table), on_changes_(std::move(on_changes)) {}

HealthThread::~HealthThread() {
    stop();
}

void HealthThread::configure(HealthPlan plan) {
    const std::lock_guard start(start_mutex_);
    if (!thread_.joinable()) {
        if (plan_clusters(plan).empty()) return;
        table_.wakeup().open();
        {
            const std::lock_guard lock(mutex_);
            is_accepting_ = true;
        }
        thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    }
    const auto shared = std::make_shared<const HealthPlan>(std::move(plan));
    post([shared](Loop& loop) {
        loop.registry.configure(*shared, loop.clock.now());
        loop.prober.configure(shared->options.probe_timeout);
        loop.patroni.configure(shared->options.patroni_timeout);
    });
}

void HealthThread::stop() {
    const std::lock_guard start(start_mutex_);
    if (!thread_.joinable()) return;
    thread_.request_stop();
    table_.wakeup().wake();
    thread_.join();
    thread_ = std::jthread();
}

bool HealthThread::is_running() {
    const std::lock_guard start(start_mutex_);
    return thread_.joinable();
}

void HealthThread::give(HealthRegistry::Order order, std::string name, OnStatus done) {
    const bool is_posted = post([order, name = std::move(name), done](Loop& loop) {
        done(loop.registry.give(order, name, loop.clock.now()));
    });
    if (!is_posted) done(nobody_is_watched());
}

void HealthThread::reweight(std::string name, std::optional<double> weight, OnStatus done) {
    const bool is_posted = post([name = std::move(name), weight, done](Loop& loop) {
        done(loop.registry.reweight(name, weight));
    });
    if (!is_posted) done(nobody_is_watched());
}

void HealthThread::snapshot(OnSnapshot done) {
    const bool is_posted =
        post([done](Loop& loop) { done(loop.registry.snapshot(loop.clock.now())); });
    if (!is_posted) done(HealthSnapshot());
}

bool HealthThread::post(Command command) {
    {
        const std::lock_guard lock(mutex_);
        if (!is_accepting_) return false;
        commands_.push_back(std::move(command));
    }
    table_.wakeup().wake();
    return true;
}

std::vector<HealthThread::Command> HealthThread::take_commands() {
    const std::lock_guard lock(mutex_);
    return std::exchange(commands_, {});
}

void HealthThread::run(const std::stop_token& stop) {
    Loop loop(table_);
    while (!stop.stop_requested()) {
        for (const Command& command : take_commands())
            command(loop);
        const HealthChanges changes = loop.registry.apply(loop.clock.now());
        for (const HealthEvent& event : changes.events)
            log_event(event);
        if (on_changes_ && (changes.routes_changed || !changes.events.empty())) {
            on_changes_(changes);
        }
        loop.prober.wait(loop.registry.is_empty() ? Instant() : loop.clock.now() + kTick);
    }
    // Who asked before the end gets an answer; who asks later is told that nobody is there.
    std::vector<Command> last;
    {
        const std::lock_guard lock(mutex_);
        is_accepting_ = false;
        last.swap(commands_);
    }
    for (const Command& command : last)
        command(loop);
}

}  // namespace weir
