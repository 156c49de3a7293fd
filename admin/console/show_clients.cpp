// SHOW CLIENTS and SHOW SERVERS: one row per connection.
#include "admin/console/connection_rows.h"

namespace weir {

namespace {

void show_clients(const ShowInput& input, CommandOutcome& outcome) {
    for (const ClientRow& client : listed_clients(input, false))
        outcome.rows.push_back(cells_of(input.inspector, client));
}

void show_servers(const ShowInput& input, CommandOutcome& outcome) {
    for (const ServerRow& server : listed_servers(input))
        outcome.rows.push_back(cells_of(input.inspector, server));
}

}  // namespace

constinit const ShowSpec kShowClients = {
    .topic = "CLIENTS", .columns = kConnectionColumns, .fill = show_clients, .needs_workers = true};
constinit const ShowSpec kShowServers = {
    .topic = "SERVERS", .columns = kConnectionColumns, .fill = show_servers, .needs_workers = true};

}  // namespace weir
