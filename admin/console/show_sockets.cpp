// SHOW SOCKETS and SHOW ACTIVE_SOCKETS: every connection with what its buffers hold; and those
// where they hold something.
#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>

#include "admin/console/connection_rows.h"

namespace weir {

namespace {

constexpr ResultColumn kBufferColumns[] = {
    {"recv_pos", ColumnType::Int4},     // bytes received and not used yet
    {"pkt_pos", ColumnType::Int4},      // 0: they begin with the one that is looked at
    {"pkt_remain", ColumnType::Int4},   // of the message that is passing, still to come
    {"send_pos", ColumnType::Int4},     // 0: those to be sent begin with the next one
    {"send_remain", ColumnType::Int4},  // 0, as PgBouncer has it
    {"pkt_avail", ColumnType::Int4},    // bytes received and not used yet
    {"send_avail", ColumnType::Int4},   // bytes that the socket has not taken yet
};

constexpr auto kSocketsColumns = [] {
    std::array<ResultColumn, std::size(kConnectionColumns) + std::size(kBufferColumns)> all{};
    const auto rest =
        std::copy(std::begin(kConnectionColumns), std::end(kConnectionColumns), all.begin());
    std::copy(std::begin(kBufferColumns), std::end(kBufferColumns), rest);
    return all;
}();

const char* state_of(const ClientRow& client) {
    return std::string_view(client.state) == "waiting" ? "cl_waiting" : "cl_active";
}

const char* state_of(const ServerRow& server) {
    const std::string_view state = server.state;
    if (state == "new") return "sv_login";
    if (state == "idle") return "sv_idle";
    if (state == "used") return "sv_used";
    if (state == "tested") return "sv_tested";
    return "sv_active";
}

template <typename Row>
void add(const ShowInput& input, bool is_active_only, const Row& row, const char* state,
         CommandOutcome& outcome) {
    if (is_active_only && row.buffers.is_empty()) return;
    Row renamed = row;
    renamed.state = state;
    Cells cells = cells_of(input.inspector, renamed);
    const SocketBuffers& buffers = row.buffers;
    for (const uint64_t bytes : {buffers.held, uint64_t{0}, buffers.message, uint64_t{0},
                                 uint64_t{0}, buffers.held, buffers.unsent}) {
        cells.emplace_back(bytes);
    }
    outcome.rows.push_back(std::move(cells));
}

// Pool by pool, first its clients; who has not logged in yet comes last.
void show(const ShowInput& input, bool is_active_only, CommandOutcome& outcome) {
    const std::vector<ClientRow> clients = listed_clients(input, false);
    const std::vector<ServerRow> servers = listed_servers(input);
    auto server = servers.begin();
    const auto is_before = [](const ServerRow& a, const ClientRow& b) {
        return std::tie(a.database, a.user) < std::tie(b.database, b.user);
    };
    for (const ClientRow& client : clients) {
        for (; server != servers.end() && is_before(*server, client); ++server)
            add(input, is_active_only, *server, state_of(*server), outcome);
        add(input, is_active_only, client, state_of(client), outcome);
    }
    for (; server != servers.end(); ++server)
        add(input, is_active_only, *server, state_of(*server), outcome);
    for (const ClientRow& client : listed_clients(input, true))
        add(input, is_active_only, client, "cl_login", outcome);
}

void show_sockets(const ShowInput& input, CommandOutcome& outcome) {
    show(input, false, outcome);
}

void show_active_sockets(const ShowInput& input, CommandOutcome& outcome) {
    show(input, true, outcome);
}

}  // namespace

constinit const ShowSpec kShowSockets = {
    .topic = "SOCKETS", .columns = kSocketsColumns, .fill = show_sockets, .needs_workers = true};
constinit const ShowSpec kShowActiveSockets = {.topic = "ACTIVE_SOCKETS",
                                               .columns = kSocketsColumns,
                                               .fill = show_active_sockets,
                                               .needs_workers = true};

}  // namespace weir
