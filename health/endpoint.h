// Endpoint: one server address (host and port) as the data path sees it, shared by all pools that
// use it. Verdicts come to it from the health thread, outcomes go from it there; neither side ever
// waits for the other.
//
// Nobody watches an endpoint until the registry says so: it then is UP with full weight and of
// unknown role, and what is reported to it is thrown away at once.
//
// What a verdict means to a router:
//   * takes_work(verdict): new transactions may go there without asking further;
//   * is_connect_open: on connections that are there only; none is opened;
//   * role Primary or Replica: for writes, for reads. Unknown with is_probed: no traffic, it is not
//     known what it is. Unknown without is_probed: nobody asks and nobody said, any traffic;
//   * HALF_OPEN: try_take_trial() before any selection, one caller at a time gets a ticket;
//   * share of the traffic: base_weight(configured) * verdict.weight.
//
// Owner: EndpointTable, as long as the process lives; addresses are stable. Thread: any, as each
// group of functions says. All atomics are relaxed: each word is an opinion of its own, and a
// worker that acts on one some microseconds old does no harm.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "health/ejection_guard.h"
#include "health/event_fd.h"
#include "health/health_options.h"
#include "health/health_state.h"
#include "health/intake.h"
#include "health/role_judge.h"

namespace weir {

struct EndpointVerdict {
    HealthState state = HealthState::Up;
    Role role = Role::Unknown;
    // EJECTED and HALF_OPEN do not count: its role is in panic, the operator forced its breaker
    // closed, or breakers are in a dry run.
    bool is_panic = false;
    bool is_probed = false;   // probes tell the roles of its cluster
    bool is_watched = false;  // the registry knows it
    float weight = 1;      // h * warm, in panic that of an endpoint without failures; 0 = nothing
    bool is_open = false;  // the operator forced its breaker open: nothing new, no trials
    bool is_connect_open = false;  // no new connections

    bool operator==(const EndpointVerdict&) const = default;
};

[[nodiscard]] constexpr bool takes_work(const EndpointVerdict& verdict) {
    return !verdict.is_open && may_take_work(verdict.state, verdict.is_panic);
}

// So little speaks for it that with any choice it would get nothing: three failed probes in a row,
// say. The last one of a role is never ejected; this is how its traffic goes elsewhere.
[[nodiscard]] constexpr bool is_sick(const EndpointVerdict& verdict) {
    constexpr float kSickBelow = 0.1F;
    return verdict.state != HealthState::Up && verdict.weight < kSickBelow;
}

// How far it is, as of its last good probe.
struct EndpointPosition {
    std::optional<Duration> lag;        // replicas; empty = unknown, or no replica
    std::optional<uint64_t> lag_bytes;  // the same
    uint64_t lsn = 0;                   // written by a primary, replayed by a replica; 0 = unknown
    uint64_t primary_lsn = 0;           // newest known of the cluster; 0 = unknown
    Instant asked_at{};  // when the probe was sent that read lsn; it is of no earlier time
};

// Permission for one trial transaction; not given back, it lapses after trial_timeout.
struct TrialTicket {
    Instant taken_at;
};

class Endpoint {
  public:
    // `wakeup` is borrowed and outlives this.
    Endpoint(std::string host, uint16_t port, unsigned worker_count, EventFd& wakeup);
    Endpoint(const Endpoint&) = delete;
    Endpoint& operator=(const Endpoint&) = delete;

    // host:port, [::1]:port, /folder:port; for messages.
    [[nodiscard]] const std::string& address() const { return address_; }
    [[nodiscard]] const std::string& host() const { return host_; }
    [[nodiscard]] uint16_t port() const { return port_; }

    // --- any thread
    [[nodiscard]] EndpointVerdict verdict() const;
    [[nodiscard]] EndpointPosition position() const;
    // The operator's weight when one was set at the console, else the configured one.
    [[nodiscard]] double base_weight(double configured) const;
    // Grows with each change of state, role, panic, a breaker or is_sick().
    [[nodiscard]] uint32_t version() const { return version_.load(std::memory_order_relaxed); }

    // Connections in use and waiters, of all pools: what selection.h calls outstanding.
    void add_in_use(int32_t amount) { in_use_.fetch_add(amount, std::memory_order_relaxed); }
    void add_waiting(int32_t amount) { waiting_.fetch_add(amount, std::memory_order_relaxed); }
    [[nodiscard]] uint32_t in_use() const { return at_least_zero(in_use_); }
    [[nodiscard]] uint32_t waiting() const { return at_least_zero(waiting_); }

    // --- the worker given, or (report) any
    // A transaction that ended well: no locked instruction.
    void report_success(WorkerId worker);
    // A log-in that ended well, to be told of each: failures to connect are held against it until
    // the next one. No locked instruction.
    void report_login(WorkerId worker);
    // Server time of a statement whose client did not stall.
    void report_latency(WorkerId worker, Duration latency);
    // A failure; Success and what is no evidence are ignored. Takes a mutex for a moment, wakes the
    // health thread.
    void report_failure(Outcome outcome, Instant now);
    // ParameterStatus in_hot_standby (PostgreSQL 14 and later), at log-in and whenever it changes.
    // Queued only when it is news.
    void note_hot_standby(bool is_standby, Instant now);

    // HALF_OPEN only: the caller's next transaction is the trial.
    [[nodiscard]] std::optional<TrialTicket> try_take_trial(Instant now);
    // Whether it would give one; takes none.
    [[nodiscard]] bool has_free_trial(Instant now) const;
    // How it ended; what is no evidence gives the ticket back without a verdict.
    void report_trial(const TrialTicket& ticket, Outcome outcome, Instant now);

    // --- health thread
    // True when anything but the weight changed, or is_sick(): that is what routes depend on.
    bool publish(const EndpointVerdict& verdict, const EndpointPosition& position);
    void publish_options(const HealthOptions& options);
    void set_weight(std::optional<double> weight);
    [[nodiscard]] Intake::Batch drain() { return intake_.drain(); }
    // Whether `ticket` is the one that is out; it no longer is afterwards.
    bool redeem(Instant ticket);
    void cancel_trial() { trial_taken_at_us_.store(0, std::memory_order_relaxed); }

  private:
    static uint32_t at_least_zero(const std::atomic<int32_t>& counter) {
        const int32_t value = counter.load(std::memory_order_relaxed);
        return value > 0 ? static_cast<uint32_t>(value) : 0;
    }
    void push(const IntakeEvent& event);
    [[nodiscard]] bool may_take_trial(int64_t taken_at_us, Instant now) const;

    // Read by all workers, written when something has changed.
    alignas(64) std::atomic<uint64_t> verdict_;
    std::atomic<uint32_t> version_{0};
    std::atomic<float> weight_override_{-1};  // below zero = none
    std::atomic<int64_t> latency_floor_us_;
    std::atomic<int64_t> trial_timeout_us_;
    std::atomic<int64_t> lag_us_{-1};
    std::atomic<int64_t> lag_bytes_{-1};
    std::atomic<uint64_t> lsn_{0};
    std::atomic<uint64_t> primary_lsn_{0};
    std::atomic<int64_t> asked_at_us_{0};

    // Written by all workers.
    alignas(64) std::atomic<int32_t> in_use_{0};
    std::atomic<int32_t> waiting_{0};
    std::atomic<int64_t> trial_taken_at_us_{0};  // 0 = free
    std::atomic<int8_t> noted_standby_{-1};      // -1 = nothing noted

    alignas(64) Intake intake_;
    EventFd& wakeup_;
    const std::string host_;
    const uint16_t port_;
    const std::string address_;
};

}  // namespace weir
