// PageHistory: the last hour, one sample every ten seconds, in fixed memory: what the sparklines of
// the status page are drawn from. Costs a walk over the pools' counters per sample, and is fed only
// while the page is served. Owner: StatusPage. Thread: control.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "protocol/base/clock.h"
#include "proxy/inspector.h"
#include "proxy/stats/counters.h"

namespace weir {

// What is counted from the start on.
struct HistoryCounts {
    PoolTotals pools;
    uint64_t errors = 0;  // of servers, and what clients were told by us
};

// Of ten seconds; gauges are of their end.
struct HistorySample {
    double transactions = 0;              // per second
    double queries = 0;                   // per second
    double errors = 0;                    // per second
    std::optional<double> query_ms = {};  // mean; none when there was no query
    std::optional<double> wait_ms = {};   // mean of a transaction, for a server
    double waiting = 0;                   // clients that wait for a server
    double active = 0;                    // servers that serve a client
};

class PageHistory {
  public:
    static constexpr Duration kStep = std::chrono::seconds(10);
    static constexpr size_t kSamples = 360;

    // Takes a sample when one is due.
    void on_tick(Instant now, Inspector& inspector);
    // For tests: the sample that follows from these totals and gauges.
    void add(Instant now, const HistoryCounts& counts, double waiting, double active);

    // The oldest first; a place of an hour that has no sample (yet) is none.
    [[nodiscard]] std::vector<std::optional<HistorySample>> last_hour() const;
    [[nodiscard]] std::optional<HistorySample> latest() const;

  private:
    std::vector<std::optional<HistorySample>> ring_ =
        std::vector<std::optional<HistorySample>>(kSamples);
    size_t next_ = 0;
    Instant sampled_at_;  // never: no totals to compare with yet
    HistoryCounts counts_;
};

}  // namespace weir
