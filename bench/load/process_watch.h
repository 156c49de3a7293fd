// What a process has cost so far, read from /proc: CPU time of all its threads in nanoseconds and
// its memory. utime and stime of /proc/PID/stat come in 10 ms ticks, too coarse for a run of a
// second; schedstat counts nanoseconds. (A thread that has ended takes its schedstat along; the
// processes watched here keep theirs.) Thread: any; no state.

#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace weir::bench {

struct ProcessCost {
    double cpu_ns = 0;
    long rss_kb = 0;
    long switches = 0;  // voluntary: how often a thread went to sleep
};

inline long number_in_status(const std::filesystem::path& file, const std::string& label) {
    std::ifstream status(file);
    std::string word;
    while (status >> word) {
        long number = 0;
        if (word == label && status >> number) return number;
    }
    return 0;
}

inline ProcessCost process_cost(int pid) {
    const std::filesystem::path process = "/proc/" + std::to_string(pid);
    ProcessCost cost;
    std::error_code error;
    for (const auto& task : std::filesystem::directory_iterator(process / "task", error)) {
        double run_ns = 0;
        std::ifstream(task.path() / "schedstat") >> run_ns;
        cost.cpu_ns += run_ns;
        cost.switches += number_in_status(task.path() / "status", "voluntary_ctxt_switches:");
    }
    cost.rss_kb = number_in_status(process / "status", "VmRSS:");
    return cost;
}

}  // namespace weir::bench
