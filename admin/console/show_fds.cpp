// SHOW FDS: every socket of this process but the console's own, with its descriptor: PgBouncer's
// way to hand them to the process that takes over. Secrets of users are not told; connections with
// TLS cannot be handed over and are left out.
#include <set>
#include <vector>

#include "admin/console/connection_rows.h"

namespace weir {

namespace {

constexpr ResultColumn kFdsColumns[] = {
    {"fd", ColumnType::Int4},
    {"task"},
    {"user"},
    {"database"},
    {"addr"},
    {"port", ColumnType::Int4},
    {"cancel", ColumnType::Int8},
    {"link", ColumnType::Int4},
    {"client_encoding"},
    {"std_strings"},
    {"datestyle"},
    {"timezone"},
    {"password"},
    {"scram_client_key", ColumnType::Bytes},
    {"scram_server_key", ColumnType::Bytes},
};

// The descriptors that are one side of TLS, or linked to one.
using Numbers = std::set<int>;

template <typename Row>
void note_encrypted(const std::vector<Row>& rows, Numbers& numbers) {
    for (const Row& row : rows) {
        if (row.tls.empty() || !row.details) continue;
        numbers.insert(row.details->number);
        if (row.details->link != 0) numbers.insert(row.details->link);
    }
}

template <typename Row>
void add(CommandOutcome& outcome, const Numbers& left_out, const char* task, const Row& row) {
    if (!row.details || row.details->number < 0 || left_out.contains(row.details->number)) return;
    const SocketDetails& details = *row.details;
    outcome.descriptors.push_back(details.descriptor);
    outcome.rows.push_back({details.number,
                            task,
                            text_or_null(row.user),
                            text_or_null(row.database),
                            row.addr,
                            row.port,
                            static_cast<int64_t>(details.cancel_key),
                            details.link,
                            text_or_null(details.client_encoding),
                            text_or_null(details.std_strings),
                            text_or_null(details.datestyle),
                            text_or_null(details.timezone),
                            {},
                            {},
                            {}});
}

void show_fds(const ShowInput& input, CommandOutcome& outcome) {
    for (const Inspector::ListeningSocket& listener : input.inspector.listening_sockets()) {
        outcome.descriptors.push_back(listener.descriptor);
        outcome.rows.push_back({listener.number,
                                "pooler",
                                {},
                                {},
                                listener.addr,
                                listener.port,
                                0,
                                0,
                                {},
                                {},
                                {},
                                {},
                                {},
                                {},
                                {}});
    }
    const std::vector<ServerRow> servers = listed_servers(input, true);
    std::vector<ClientRow> clients = listed_clients(input, true);
    const std::vector<ClientRow> in = listed_clients(input, false);
    clients.insert(clients.end(), in.begin(), in.end());
    std::erase_if(clients, [](const ClientRow& client) { return client.is_console; });
    Numbers left_out;
    note_encrypted(clients, left_out);
    note_encrypted(servers, left_out);
    for (const ClientRow& client : clients)
        add(outcome, left_out, "client", client);
    for (const ServerRow& server : servers)
        add(outcome, left_out, "server", server);
}

}  // namespace

constinit const ShowSpec kShowFds = {.topic = "FDS",
                                     .access = Access::Admin,
                                     .columns = kFdsColumns,
                                     .fill = show_fds,
                                     .needs_workers = true,
                                     .needs_details = true};

}  // namespace weir
