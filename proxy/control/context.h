// ControlContext: what the parts of the control thread share. Each part (Reloading, DatabaseOrders,
// Snapshots, LifeCycle) has a reference to it. Owner: Control. Thread: control, but for `workers`,
// `pools` and `shared`, which are any thread's.
#pragma once

#include <atomic>
#include <string>

#include "conf/config.h"
#include "health/endpoint_table.h"
#include "health/health_thread.h"
#include "proxy/auth/password_checks.h"
#include "proxy/control/listeners.h"
#include "proxy/control/service_manager.h"
#include "proxy/insight/insight.h"
#include "proxy/janitor.h"
#include "proxy/runtime/loop.h"
#include "proxy/stats/event_log.h"
#include "proxy/worker_group.h"

namespace weir {

struct ControlContext {
    // `is_quiet`: nothing is logged to standard error.
    ControlContext(std::string config_file, ConfigPtr first_config, bool is_quiet);
    // Happened now.
    void note(ProcessEvent::Kind kind, std::string subject, std::string event,
              std::string detail = {});

    const std::string config_file;  // the one given at start; see GlobalConfig::conffile
    const bool is_quiet;
    ConfigPtr config;
    bool is_succeeded = false;  // another process has taken over: what it reads is in force there
    std::atomic<uint32_t> late_turn{0};  // of the workers, see late_session.h
    SystemClock clock;
    const Instant started_at;
    Instant loaded_at;  // the last RELOAD, or the start
    bool has_loaded = true;
    EventLog events;
    Loop loop;
    const unsigned workers_count;
    EndpointTable endpoints;
    PoolSet pools;
    HostTable hosts;
    ParameterNames names;
    Insight insight;  // longer than those who tell it something
    WorkerGroup workers;
    PasswordChecks checks;
    Shared shared;
    Janitor janitor;
    Listeners listeners;
    ServiceManager service;
    HealthThread health;  // last: it calls back into the members above
};

}  // namespace weir
