#include "proxy/control/context.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "protocol/base/random.h"

namespace weir {

namespace {

unsigned worker_count(const GlobalConfig& global) {
    const unsigned wanted = global.workers > 0 ? static_cast<unsigned>(global.workers)
                                               : std::thread::hardware_concurrency();
    return std::clamp(wanted, 1U, kMaxWorkers);
}

// Health's kinds are some of ours.
ProcessEvent event_of(const HealthEvent& event) {
    ProcessEvent out;
    switch (event.kind) {
        case HealthEvent::Kind::State: out.kind = ProcessEvent::Kind::Backend; break;
        case HealthEvent::Kind::Role: out.kind = ProcessEvent::Kind::Role; break;
        case HealthEvent::Kind::Breaker: out.kind = ProcessEvent::Kind::Breaker; break;
        case HealthEvent::Kind::Notice: out.kind = ProcessEvent::Kind::Notice; break;
    }
    out.at = event.at;
    out.subject = event.backend;
    out.event = event.from.empty() ? event.to : event.from + " -> " + event.to;
    if (event.kind == HealthEvent::Kind::Notice) out.event = event.is_alert ? "alert" : "notice";
    out.detail = event.reason;
    return out;
}

// Thread: health.
void tell(WorkerGroup& workers, const HealthChanges& changes) {
    for (const HealthEvent& event : changes.events) {
        ControlMessage message;
        message.kind = ControlMessage::Kind::Event;
        message.event = std::make_shared<ProcessEvent>(event_of(event));
        workers.post_control(std::move(message));
    }
    if (!changes.routes_changed) return;
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::RoutesChanged;
    workers.broadcast(message);
}

// Thread: any.
void take_to_login(WorkerGroup& workers, LoginAnswer answer) {
    const WorkerId to = answer.question.client.worker;
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::LoginAnswer;
    message.answer = std::make_shared<LoginAnswer>(std::move(answer));
    workers.post(to, std::move(message));
}

}  // namespace

ControlContext::ControlContext(std::string file, ConfigPtr first_config, bool quiet)
    : config_file(std::move(file)),
      is_quiet(quiet),
      config(std::move(first_config)),
      started_at(clock.now()),
      loaded_at(started_at),
      workers_count(worker_count(config->global)),
      endpoints(workers_count),
      pools(workers_count, endpoints, random_seed()),
      names(config->global.track_extra_parameters),
      insight(workers_count, clock),
      checks(clock, [this](LoginAnswer answer) { take_to_login(workers, std::move(answer)); }),
      shared{.pools = pools, .exchange = workers, .hosts = hosts, .names = names, .clock = clock},
      janitor(pools, workers),
      health(endpoints, [this](const HealthChanges& changes) { tell(workers, changes); }) {
    secure_random(shared.mock_secret);
    secure_random(
        {reinterpret_cast<uint8_t*>(shared.cancel_secret.data()), sizeof shared.cancel_secret});
    shared.password_checker = &checks;
    shared.insight = &insight;
    checks.configure(config->global);
    pools.configure(*config);
    shared.rates.configure(*config);
}

void ControlContext::note(ProcessEvent::Kind kind, std::string subject, std::string event,
                          std::string detail) {
    events.add({kind, clock.now(), std::move(subject), std::move(event), std::move(detail)});
}

}  // namespace weir
