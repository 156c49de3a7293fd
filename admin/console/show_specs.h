// The rows of the registry in show.cpp, each defined beside its columns and its fill function, and
// what these share.
//
// Thread: see show.h.
#pragma once

#include "admin/console/show.h"

namespace weir {

extern const ShowSpec kShowClients, kShowServers;             // show_clients.cpp
extern const ShowSpec kShowSockets, kShowActiveSockets;       // show_sockets.cpp
extern const ShowSpec kShowFds;                               // show_fds.cpp
extern const ShowSpec kShowPeers, kShowPeerPools;             // show_peers.cpp
extern const ShowSpec kShowDnsHosts, kShowDnsZones;           // show_dns.cpp
extern const ShowSpec kShowPools;                             // show_pools.cpp
extern const ShowSpec kShowPoolSizes;                         // show_pool_sizes.cpp
extern const ShowSpec kShowDatabases;                         // show_databases.cpp
extern const ShowSpec kShowUsers;                             // show_users.cpp
extern const ShowSpec kShowStats, kShowStatsTotals;           // show_stats.cpp
extern const ShowSpec kShowStatsAverages, kShowTotals;        // show_stats.cpp
extern const ShowSpec kShowLists, kShowMem;                   // show_lists.cpp
extern const ShowSpec kShowConfig, kShowState, kShowVersion;  // show_misc.cpp
extern const ShowSpec kShowRateLimits;                        // show_rate_limits.cpp
extern const ShowSpec kShowLeaks, kShowLeakTotals;            // show_leaks.cpp
extern const ShowSpec kShowQueries, kShowSlow;                // show_queries.cpp
extern const ShowSpec kShowQueryTotals;                       // show_queries.cpp
extern const ShowSpec kShowHelp;                              // help.cpp
extern const ShowSpec kShowBackends, kShowHealth;             // show_backends.cpp
extern const ShowSpec kShowHealthEvents, kShowBreakers;       // show_backends.cpp
extern const ShowSpec kShowRoutes;                            // show_routes.cpp
extern const ShowSpec kShowEvents;                            // show_events.cpp
extern const ShowSpec kShowWaiters;                           // show_waiters.cpp
extern const ShowSpec kShowWorkers;                           // show_workers.cpp
extern const ShowSpec kShowMemory;                            // show_memory.cpp

// Entries of [databases] and those that `*` has made, by name; without the console.
std::vector<DatabaseConfig> listed_databases(const ShowInput& input);
// Names of auth_file, of [users], those seen at login, and the console's own; sorted.
std::vector<std::string> listed_users(const ShowInput& input);
// Does SHOW list it? Not when its database was removed and nothing of it is left.
bool is_listed(Pool& pool, const Pool::Counts& counts);
// As in the columns of type Time; NULL for never.
Cell local_time(Inspector& inspector, Instant at);
// Idle longer than server_check_delay: to be checked before a client gets it (PgBouncer's `used`).
bool is_check_due(const ServerConnection& server, const GlobalConfig& global, Instant now);

}  // namespace weir
