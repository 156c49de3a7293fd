// A queueing model of a few backends behind one selection: Poisson arrivals, a FIFO queue with
// several servers at each backend, exponential service times, and a fault at the first backend for
// a while. What chooses and judges is the real code. A design aid, no benchmark.
// Pure; one run is one thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace weir::sim {

enum class Chooser : uint8_t {
    RoundRobin,
    LeastOutstanding,  // without any judgement of health
    PeakEwma,          // likewise
    Proposed,          // least outstanding by health, with ejection
    ProposedTwoChoices
};
[[nodiscard]] std::string_view to_text(Chooser chooser);

struct SelectionScenario {
    double utilisation = 0.6;  // of all backends when well
    double fault_slowdown = 1;
    bool is_black_hole = false;  // the fault: every request fails within 0.3 ms
    double heavy_share = 0;      // of requests that take 60 times as long
    double fault_begins_s = 6;
    double fault_ends_s = 14;
    double ends_s = 24;
};

struct SelectionResult {
    double p99_ms = 0;         // of what arrived during the fault
    double short_p99_ms = 0;   // the same without heavy requests
    double error_percent = 0;  // of the whole run
    double faulty_share = 0;   // of what arrived in the last 3 s of the fault
    uint64_t requests = 0;
    uint64_t ejections = 0;
};

[[nodiscard]] SelectionResult run_selection(const SelectionScenario& scenario, Chooser chooser,
                                            uint64_t seed);

}  // namespace weir::sim
