#include "admin/console/connection_rows.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <iterator>
#include <tuple>
#include <unordered_set>

#include "proxy/worker.h"

namespace weir {

namespace {

constexpr int64_t kUsPerSecond = 1'000'000;

// A name for the connection, like PgBouncer's pointer: hexadecimal, empty for none.
std::string pointer(uint64_t id) {
    if (id == 0) return "";
    char text[16];
    const auto [end, error] = std::to_chars(text, text + sizeof text, id, 16);
    return "0x" + std::string(text, end);
}

int64_t short_id(uint64_t id) {
    return static_cast<int64_t>(id & kShownIdBits);
}

// By database, user, and age.
template <typename T>
void sort_rows(std::vector<T>& rows) {
    std::sort(rows.begin(), rows.end(), [](const T& a, const T& b) {
        return std::tie(a.database, a.user, a.id) < std::tie(b.database, b.user, b.id);
    });
}

}  // namespace

std::vector<ClientRow> listed_clients(const ShowInput& input, bool is_login) {
    std::vector<ClientRow> clients;
    for (const WorkerSnapshot& worker : input.workers) {
        std::copy_if(worker.clients.begin(), worker.clients.end(), std::back_inserter(clients),
                     [is_login](const ClientRow& client) { return client.is_login == is_login; });
    }
    sort_rows(clients);
    return clients;
}

std::vector<ServerRow> listed_servers(const ShowInput& input, bool with_details) {
    std::vector<ServerRow> servers;
    for (const WorkerSnapshot& worker : input.workers) {
        servers.insert(servers.end(), worker.servers.begin(), worker.servers.end());
    }
    // One that came back or moved on since the snapshots may be met again.
    std::unordered_set<uint64_t> known;
    std::erase_if(servers, [&known](const ServerRow& row) { return !known.insert(row.id).second; });
    const ParameterNames names({});  // application_name has the same place in all
    const Instant now = input.inspector.now();
    input.inspector.pools().for_each_pool([&](Pool& pool) {
        pool.for_each_idle([&](const ServerConnection& server) {
            if (!known.insert(server.id).second) return;
            servers.push_back(make_server_row(server, names));
            if (with_details) servers.back().details = make_server_details(server, names);
            servers.back().state =
                is_check_due(server, input.config->global, now) ? "used" : "idle";
        });
    });
    sort_rows(servers);
    return servers;
}

Cells cells_of(Inspector& inspector, const ClientRow& client) {
    const Instant now = inspector.now();
    const bool is_waiting = !client.waiting_since.is_never() && client.waiting_since < now;
    const int64_t wait_us = is_waiting ? (now - client.waiting_since).count() : 0;
    const Instant requested =
        client.requested_at.is_never() ? client.connected_at : client.requested_at;
    return {"C",
            client.user.empty() ? "(nouser)" : client.user,
            client.database.empty() ? "(nodb)" : client.database,
            to_string(client.replication),
            client.state,
            client.addr,
            client.port,
            client.local_addr,
            client.local_port,
            local_time(inspector, client.connected_at),
            local_time(inspector, requested),
            wait_us / kUsPerSecond,
            wait_us % kUsPerSecond,
            false,
            pointer(client.id),
            pointer(client.link),
            client.remote_pid,
            client.tls,
            client.application_name,
            client.prepared_statements,
            short_id(client.id)};
}

Cells cells_of(Inspector& inspector, const ServerRow& server) {
    const Instant requested =
        server.requested_at.is_never() ? server.connected_at : server.requested_at;
    return {"S",
            server.user,
            server.database,
            to_string(server.replication),
            server.state,
            server.addr,
            server.port,
            server.local_addr,
            server.local_port,
            local_time(inspector, server.connected_at),
            local_time(inspector, requested),
            0,
            0,
            server.close_needed,
            pointer(server.id),
            pointer(server.link),
            server.remote_pid,
            server.tls,
            server.application_name,
            server.prepared_statements,
            short_id(server.id)};
}

Cell local_time(Inspector& inspector, Instant at) {
    if (at.is_never()) return {};
    const auto seconds = static_cast<std::time_t>(inspector.wall_us(at) / kUsPerSecond);
    std::tm parts{};
    char text[64];
    if (localtime_r(&seconds, &parts) == nullptr) return {};
    return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z", &parts));
}

bool is_check_due(const ServerConnection& server, const GlobalConfig& global, Instant now) {
    return !global.server_check_query.empty() && global.server_check_delay.count() > 0 &&
           now - server.idle_since > global.server_check_delay;
}

}  // namespace weir
