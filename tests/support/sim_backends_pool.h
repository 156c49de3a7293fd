// A model of one pool in front of a database that gets slower the more it does at once: Gunther's
// universal scalability law with its optimum at 32 connections and 2228 transactions per second.
// Poisson arrivals, a FIFO of waiters that give up after five seconds, phases of load. What decides
// the pool's size is the real code, or a controller given for comparison. A design aid, no
// benchmark.
// Pure; one run is one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proxy/pool/sizing.h"

namespace weir::sim {

// Transactions per second with n at once.
[[nodiscard]] double usl_throughput(double n);

struct PoolPhase {
    double seconds = 60;
    double load = 0.5;  // times 2228 per second
};

struct PoolScenario {
    SizingOptions sizing;
    // Instead of `sizing`: additive increase, and a halving whenever a waiter gives up.
    bool is_aimd = false;
    double heavy_share = 0;  // of transactions with 50 times the work
    std::vector<PoolPhase> phases = {{60, 0.5}, {90, 1.3}, {60, 0.5}};
};

struct PoolPhaseResult {
    double goodput = 0;  // transactions per second, without the phase's first 10 s
    uint32_t size_least = 0;
    uint32_t size_most = 0;
    uint32_t size_last = 0;
    uint64_t gave_up = 0;
};

[[nodiscard]] std::vector<PoolPhaseResult> run_pool_ceiling(const PoolScenario& scenario,
                                                            uint64_t seed);

}  // namespace weir::sim
