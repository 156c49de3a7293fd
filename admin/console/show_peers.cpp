// SHOW PEERS and SHOW PEER_POOLS: the entries of [peers], and the cancel requests on their way
// there.
#include "admin/console/show_specs.h"
#include "conf/value.h"

namespace weir {

namespace {

constexpr ResultColumn kPeerColumns[] = {
    {"peer_id", ColumnType::Int4},
    {"host"},
    {"port", ColumnType::Int4},
    {"pool_size", ColumnType::Int4},
};
constexpr ResultColumn kPoolColumns[] = {
    {"peer_id", ColumnType::Int4},
    {"cl_active_cancel_req", ColumnType::Int4},
    {"cl_waiting_cancel_req", ColumnType::Int4},
    {"sv_active_cancel", ColumnType::Int4},
    {"sv_login", ColumnType::Int4},
};

void show_peers(const ShowInput& input, CommandOutcome& outcome) {
    for (const PeerConfig& peer : input.config->peers) {
        outcome.rows.push_back(
            {peer.id, join_list(peer.hosts), peer.port,
             peer.pool_size == kInherit ? input.config->global.default_pool_size : peer.pool_size});
    }
}

void show_peer_pools(const ShowInput& input, CommandOutcome& outcome) {
    for (const PeerConfig& peer : input.config->peers) {
        PeerRow sum;
        for (const WorkerSnapshot& worker : input.workers) {
            for (const PeerRow& row : worker.peers) {
                if (row.id != peer.id) continue;
                sum.requests_active += row.requests_active;
                sum.requests_waiting += row.requests_waiting;
                sum.connections_sent += row.connections_sent;
                sum.connections_opening += row.connections_opening;
            }
        }
        outcome.rows.push_back({peer.id, sum.requests_active, sum.requests_waiting,
                                sum.connections_sent, sum.connections_opening});
    }
}

}  // namespace

constinit const ShowSpec kShowPeers = {
    .topic = "PEERS", .columns = kPeerColumns, .fill = show_peers};
constinit const ShowSpec kShowPeerPools = {
    .topic = "PEER_POOLS", .columns = kPoolColumns, .fill = show_peer_pools, .needs_workers = true};

}  // namespace weir
