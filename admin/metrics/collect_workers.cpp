// What workers count that is no one pool's, and how busy they are.
#include <array>

#include "admin/metrics/collector.h"

namespace weir {

namespace {

double as_double(uint64_t count) {
    return static_cast<double>(count);
}

// WorkerCounters, summed.
struct Sum {
    HistogramTotals client_logins, server_logins, client_handshakes, server_handshakes;
    uint64_t connections = 0, handshakes_failed = 0, logins_failed = 0;
    uint64_t cancels_received = 0, cancels_sent = 0;
    std::array<uint64_t, kCloseReasons> closed{};
    std::array<uint64_t, ErrorCounters::kCount> server_errors{}, own_errors{};

    void add(const WorkerCounters& more) {
        client_logins.add(more.client_logins);
        server_logins.add(more.server_logins);
        client_handshakes.add(more.client_tls_handshakes);
        server_handshakes.add(more.server_tls_handshakes);
        connections += more.connections.get();
        handshakes_failed += more.client_tls_handshakes_failed.get();
        logins_failed += more.server_logins_failed.get();
        cancels_received += more.cancels_received.get();
        cancels_sent += more.cancels_sent.get();
        for (size_t i = 0; i < closed.size(); ++i)
            closed[i] += more.servers_closed[i].get();
        for (size_t i = 0; i < ErrorCounters::kCount; ++i) {
            server_errors[i] += more.server_errors.count(i);
            own_errors[i] += more.own_errors.count(i);
        }
    }
};

// Those that rules look at are there before the first of them.
bool is_always_told(std::string_view sqlstate_class) {
    return sqlstate_class == "08" || sqlstate_class == "53" || sqlstate_class == "57";
}

void add_errors(Exposition& out, std::string_view origin,
                const std::array<uint64_t, ErrorCounters::kCount>& counts) {
    for (size_t i = 0; i < counts.size(); ++i) {
        const std::string_view name = ErrorCounters::name(i);
        if (counts[i] > 0 || is_always_told(name))
            out.add(Metric::Errors, {origin, name}, as_double(counts[i]));
    }
}

void add_sum(Exposition& out, const Sum& sum) {
    out.add(Metric::Connections, as_double(sum.connections));
    out.add(Metric::ClientLogins, {}, sum.client_logins);
    out.add(Metric::ClientHandshakes, {}, sum.client_handshakes);
    out.add(Metric::ClientHandshakesFailed, as_double(sum.handshakes_failed));
    out.add(Metric::CancelsReceived, as_double(sum.cancels_received));
    out.add(Metric::CancelsSent, as_double(sum.cancels_sent));
    add_errors(out, "server", sum.server_errors);
    add_errors(out, "pooler", sum.own_errors);
    out.add(Metric::ServersOpened, as_double(sum.server_logins.count()));
    for (size_t i = 0; i < kCloseReasons; ++i)
        out.add(Metric::ServersClosed, {to_text(static_cast<CloseReason>(i))},
                as_double(sum.closed[i]));
    out.add(Metric::ServerLoginsFailed, as_double(sum.logins_failed));
    out.add(Metric::ServerLogins, {}, sum.server_logins);
    out.add(Metric::ServerHandshakes, {}, sum.server_handshakes);
}

void add_clients(const MetricsInput& input, Exposition& out) {
    WorkerCensus all;
    PoolCensus pools;
    for (const WorkerCensus& worker : input.census) {
        all.logins += worker.logins;
        all.consoles += worker.consoles;
        all.cancels += worker.cancels;
        for (const auto& [group, pool] : worker.pools)
            pools.add(pool);
    }
    out.add(Metric::Clients, {"login"}, as_double(all.logins));
    out.add(Metric::Clients, {"idle"}, as_double(pools.clients_idle));
    out.add(Metric::Clients, {"active"}, as_double(pools.clients_active));
    out.add(Metric::Clients, {"waiting"}, as_double(pools.clients_waiting));
    out.add(Metric::Clients, {"throttled"}, as_double(pools.clients_throttled));
    out.add(Metric::Clients, {"console"}, as_double(all.consoles));
    out.add(Metric::Clients, {"cancel_request"}, as_double(all.cancels));
    out.add(Metric::ClientsMax, input.config.global.max_client_conn);
}

}  // namespace

void collect_workers(const MetricsInput& input, Exposition& out) {
    add_clients(input, out);
    Sum sum;
    size_t number = 0;
    for (const Inspector::WorkerView& worker : input.inspector.worker_views()) {
        const WorkerCounters& counters = *worker.counters;
        sum.add(counters);
        const std::string name = std::to_string(number);
        out.add(Metric::WorkerCpu, {name}, static_cast<double>(worker.cpu.count()) / 1e6);
        out.add(Metric::WorkerConnections, {name}, as_double(counters.connections.get()));
        if (number < input.census.size()) {
            const WorkerCensus& census = input.census[number];
            out.add(Metric::WorkerLag, {name}, static_cast<double>(census.lag.count()) / 1e6);
            out.add(Metric::WorkerServers, {name}, as_double(census.servers));
        }
        ++number;
    }
    add_sum(out, sum);
}

}  // namespace weir
