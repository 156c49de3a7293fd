// The collector: everything that metrics tell, taken from the Inspector at the moment of a scrape.
// Nothing is kept between two of them, and nothing is counted for them alone but what workers write
// into blocks of their own. Thread: control.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "admin/metrics/exposition.h"
#include "proxy/inspector.h"

namespace weir {

// Asks workers and health, and gives `done` the text in Prometheus' format, on this thread and
// maybe before this returns. `inspector` outlives that.
void collect_metrics(Inspector& inspector, std::function<void(std::string)> done);

// What the parts of a scrape look at.
struct MetricsInput {
    Inspector& inspector;
    const Config& config;
    std::span<const WorkerCensus> census;  // one for each worker
    const HealthSnapshot& health;
};

void collect_process(const MetricsInput& input, Exposition& out);
void collect_workers(const MetricsInput& input, Exposition& out);
void collect_pools(const MetricsInput& input, Exposition& out);
void collect_backends(const MetricsInput& input, Exposition& out);
void collect_limits(const MetricsInput& input, Exposition& out);  // rates, leaks, passwords, DNS

}  // namespace weir
