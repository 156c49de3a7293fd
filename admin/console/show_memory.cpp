// SHOW MEMORY: where the resident memory of this process is, row by row up to what the kernel says
// it is. What is counted piece by piece comes first; of the heap that is in use, the rest is
// `heap, other` (configuration, TLS, health, this answer ...). Rows add up to the RSS.
#include <malloc.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "admin/console/show_specs.h"
#include "proxy/session/client_session.h"

namespace weir {

namespace {

constexpr ResultColumn kMemoryColumns[] = {
    {"consumer"},
    {"items", ColumnType::Int8},
    {"bytes", ColumnType::Int8},
    {"detail"},
};

// What the kernel says, in bytes.
struct Resident {
    int64_t all = 0;
    int64_t anonymous = 0;  // no file's
};

// proc(5), smaps_rollup: "Rss:  1234 kB".
Resident read_resident() {
    Resident out;
    std::ifstream file("/proc/self/smaps_rollup");
    std::string name;
    int64_t kilobytes = 0;
    std::string rest;
    while (file >> name) {
        if ((name == "Rss:" || name == "Anonymous:") && file >> kilobytes)
            (name == "Rss:" ? out.all : out.anonymous) = kilobytes * 1024;
        std::getline(file, rest);
    }
    return out;
}

// Rows that are parts of the heap, with their sum.
struct HeapRows {
    CommandOutcome& outcome;
    int64_t sum = 0;

    void add(const char* consumer, uint64_t items, uint64_t bytes, const char* detail) {
        outcome.rows.push_back({consumer, items, bytes, detail});
        sum += static_cast<int64_t>(bytes);
    }
};

void add_workers(const ShowInput& input, HeapRows& rows) {
    WorkerSnapshot sum;
    for (const WorkerSnapshot& worker : input.workers) {
        sum.client_slots += worker.client_slots;
        sum.client_slots_used += worker.client_slots_used;
        sum.text_bytes += worker.text_bytes;
        sum.buffered_bytes += worker.buffered_bytes;
        sum.fixed_bytes += worker.fixed_bytes;
        sum.statements += worker.statements;
        sum.statement_bytes += worker.statement_bytes;
    }
    rows.add("clients", sum.client_slots_used, sum.client_slots * sizeof(ClientSession),
             "with slots that are free");
    rows.add("client texts", sum.client_slots_used, sum.text_bytes, "names, settings, logins");
    rows.add("buffers", input.workers.size(), sum.buffered_bytes,
             "held or not sent yet, of clients and of servers in use");
    rows.add("read buffers", input.workers.size(), sum.fixed_bytes, "one for each worker");
    rows.add("prepared statements", sum.statements, sum.statement_bytes, "max_prepared_statements");
}

void add_pools(const ShowInput& input, HeapRows& rows) {
    uint64_t pools = 0;
    uint64_t bytes = 0;
    uint64_t groups = 0;
    uint64_t databases = 0;
    uint64_t users = 0;
    PoolSet& set = input.inspector.pools();
    set.for_each_pool([&](const Pool& pool) {
        ++pools;
        bytes += pool.memory_bytes();
    });
    set.for_each_group([&groups](const PoolGroup&) { ++groups; });
    set.for_each_database([&databases](const DatabaseState&) { ++databases; });
    set.for_each_user([&users](const UserState&) { ++users; });
    rows.add("pools and servers", pools, bytes, "with slots that are free");
    rows.add("pool groups", groups, groups * sizeof(PoolGroup), "one for each (database, user)");
    rows.add("databases", databases, databases * sizeof(DatabaseState), "states, not entries");
    rows.add("users", users, users * sizeof(UserState), "states, not entries");
}

void add_config(const ShowInput& input, HeapRows& rows) {
    const Config& config = *input.config;
    const size_t entries = config.databases.size() + config.users.size() + config.backends.size() +
                           config.secrets.size();
    uint64_t bytes = sizeof(Config) + config.databases.size() * sizeof(DatabaseConfig) +
                     config.users.size() * sizeof(UserConfig) +
                     config.backends.size() * sizeof(BackendConfig);
    for (const auto& [name, secret] : config.secrets)
        bytes += sizeof(std::string) * 2 + name.capacity() + secret.capacity();
    rows.add("configuration", entries, bytes, "entries, without their longer texts");
    uint64_t events = 0;
    for (const ProcessEvent& event : input.inspector.events().events()) {
        events += sizeof(ProcessEvent) + event.subject.capacity() + event.event.capacity() +
                  event.detail.capacity();
    }
    rows.add("events", input.inspector.events().events().size(), events, "SHOW EVENTS");
}

void show_memory(const ShowInput& input, CommandOutcome& outcome) {
    const Resident resident = read_resident();
    const struct mallinfo2 heap = mallinfo2();
    const auto in_use = static_cast<int64_t>(heap.uordblks + heap.hblkhd);
    HeapRows rows{outcome};
    add_workers(input, rows);
    add_pools(input, rows);
    add_config(input, rows);
    const int64_t other = std::max<int64_t>(in_use - rows.sum, 0);
    uint64_t streams = 0;
    for (const WorkerSnapshot& worker : input.workers)
        streams += worker.tls_streams;
    outcome.rows.push_back(
        {"heap, other", Cell(), other,
         "TLS (" + std::to_string(streams) + " clients), health, texts, this answer"});
    // Of what is free, only what the process has touched and not given back is resident.
    const int64_t free =
        std::clamp<int64_t>(resident.anonymous - in_use, 0, static_cast<int64_t>(heap.fordblks));
    outcome.rows.push_back({"heap, free", Cell(), free, "malloc keeps it for later"});
    const int64_t files = std::max<int64_t>(resident.all - resident.anonymous, 0);
    outcome.rows.push_back({"code and libraries", Cell(), files, "shared with other processes"});
    const int64_t rest = resident.all - rows.sum - other - free - files;
    outcome.rows.push_back({"unexplained", Cell(), rest, "stacks of threads, fragmentation"});
}

}  // namespace

constinit const ShowSpec kShowMemory = {
    .topic = "MEMORY", .columns = kMemoryColumns, .fill = show_memory, .needs_workers = true};

}  // namespace weir
