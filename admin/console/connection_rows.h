// What SHOW CLIENTS, SERVERS, SOCKETS and ACTIVE_SOCKETS have in common: the connections, by
// database, user and age, and their cells. Those that a worker owns come from the snapshots, idle
// servers from the pools. Thread: control.
#pragma once

#include "admin/console/show_specs.h"

namespace weir {

// Of SHOW CLIENTS and SERVERS; those of SHOW SOCKETS begin with them, too.
inline constexpr ResultColumn kConnectionColumns[] = {
    {"type"},
    {"user"},
    {"database"},
    {"replication"},
    {"state"},
    {"addr"},
    {"port", ColumnType::Int4},
    {"local_addr"},
    {"local_port", ColumnType::Int4},
    {"connect_time", ColumnType::Time},
    {"request_time", ColumnType::Time},
    {"wait", ColumnType::Int4},
    {"wait_us", ColumnType::Int4},
    {"close_needed", ColumnType::Int4},
    {"ptr"},
    {"link"},
    {"remote_pid", ColumnType::Int4},
    {"tls"},
    {"application_name"},
    {"prepared_statements", ColumnType::Int4},
    {"id", ColumnType::Int4},
};

// Those that have logged in, or those that have not.
std::vector<ClientRow> listed_clients(const ShowInput& input, bool is_login);
std::vector<ServerRow> listed_servers(const ShowInput& input, bool with_details = false);

Cells cells_of(Inspector& inspector, const ClientRow& client);
Cells cells_of(Inspector& inspector, const ServerRow& server);

}  // namespace weir
