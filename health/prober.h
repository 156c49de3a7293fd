// Prober: one Probe for each endpoint that has a log-in for probes, all waited for in one poll(2),
// together with what the watch on Patroni waits for.
//
// A probe begins probe_interval after the beginning of the last one, with jitter; sooner when the
// endpoint is not UP, when its last probe failed, when its cluster has no primary, or when somebody
// is in a hurry (traffic saw a failure, the idle connection broke), but never more often than each
// 100 ms. Answers are read before deadlines are looked at: whatever has held this thread up is not
// the servers' fault.
// Owner: HealthThread. Thread: the owner's, which blocks in wait() only.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "health/event_fd.h"
#include "health/patroni_watch.h"
#include "health/probe.h"
#include "health/registry.h"
#include "protocol/base/clock.h"

struct pollfd;

namespace weir {

class Prober {
  public:
    // All borrowed, outlive this.
    Prober(HealthRegistry& registry, Clock& clock, EventFd& wakeup, PatroniWatch& patroni)
        : registry_(registry), clock_(clock), wakeup_(wakeup), patroni_(patroni) {}
    Prober(const Prober&) = delete;
    Prober& operator=(const Prober&) = delete;

    // After the registry was configured. Probes of endpoints that stay, with the same log-in, keep
    // their connection.
    void configure(Duration probe_timeout);

    // Begins what is due, then waits for the first of: a socket, a wake-up, something due, `until`
    // (never = without end). Reports go to the registry.
    void wait(Instant until);

  private:
    struct Entry {
        Endpoint* endpoint = nullptr;
        ProbeLogin login;
        std::unique_ptr<Probe> probe;
        Instant began_at;  // never = not yet
        Instant next_at;
        uint64_t primary_lsn = 0;  // newest known when it began
    };

    void begin_due();
    void collect(Entry& entry);
    [[nodiscard]] int timeout_ms(Instant until);
    void handle(std::span<const pollfd> fds);

    HealthRegistry& registry_;
    Clock& clock_;
    EventFd& wakeup_;
    PatroniWatch& patroni_;
    Duration timeout_ = std::chrono::seconds(1);
    std::vector<Entry> entries_;
};

}  // namespace weir
