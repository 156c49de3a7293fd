// Of the process as a whole: what it is, its configuration, its memory.
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <system_error>

#include "admin/metrics/collector.h"
#include "proxy/session/client_session.h"

namespace weir {

namespace {

double seconds_of(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// Linux tells their number since 6.2 as the folder's size (proc(5)); before that, they are counted.
double open_descriptors() {
    struct stat folder {};
    if (stat("/proc/self/fd", &folder) == 0 && folder.st_size > 0)
        return static_cast<double>(folder.st_size);
    std::error_code error;
    double all = -1;  // without the one that counts
    for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end;
         at.increment(error))
        ++all;
    return all;
}

// From the kernel's memory, so nothing here waits for a disk.
void collect_usage(Exposition& out) {
    rusage usage{};
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        out.add(Metric::ProcessCpu, seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
    if (std::FILE* file = std::fopen("/proc/self/statm", "re")) {
        unsigned long all = 0, resident = 0;
        const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
        if (std::fscanf(file, "%lu %lu", &all, &resident) == 2) {
            out.add(Metric::ProcessResident, static_cast<double>(resident) * page);
            out.add(Metric::ProcessVirtual, static_cast<double>(all) * page);
        }
        std::fclose(file);
    }
    out.add(Metric::ProcessOpenFds, open_descriptors());
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        out.add(Metric::ProcessMaxFds, static_cast<double>(limit.rlim_cur));
}

void collect_config(const MetricsInput& input, Exposition& out) {
    Inspector& inspector = input.inspector;
    const Inspector::ConfigAge age = inspector.config_age();
    const auto wall = [&inspector](Instant at) {
        return static_cast<double>(inspector.wall_us(at)) / 1e6;
    };
    out.add(Metric::BuildInfo, {WEIR_VERSION}, 1);
    out.add(Metric::ConfigHash, input.config.fingerprint);
    out.add(Metric::ConfigReloadSuccess, age.has_loaded ? 1 : 0);
    out.add(Metric::ConfigReloadTime, wall(age.loaded_at));
    out.add(Metric::ProcessStart, wall(age.started_at));
    out.add(Metric::State, {"paused"}, inspector.is_paused() ? 1 : 0);
    out.add(Metric::State, {"suspended"}, inspector.is_suspended() ? 1 : 0);
    out.add(Metric::State, {"shutting_down"}, inspector.is_shutting_down() ? 1 : 0);
}

}  // namespace

void collect_process(const MetricsInput& input, Exposition& out) {
    collect_config(input, out);
    collect_usage(out);
    uint64_t slots = 0, buffers = 0, statements = 0, statement_bytes = 0;
    for (const WorkerCensus& worker : input.census) {
        slots += worker.client_slots;
        buffers += worker.buffered_bytes;
        statements += worker.statements;
        statement_bytes += worker.statement_bytes;
    }
    out.add(Metric::Memory, {"client_slots"}, static_cast<double>(slots * sizeof(ClientSession)));
    out.add(Metric::Memory, {"buffers"}, static_cast<double>(buffers));
    out.add(Metric::Memory, {"statements"}, static_cast<double>(statement_bytes));
    out.add(Metric::StatementsCached, static_cast<double>(statements));
}

}  // namespace weir
