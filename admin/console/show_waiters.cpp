// SHOW WAITERS: which clients wait, for what, since when, and behind whom; those of a queue in its
// order.
#include <algorithm>
#include <map>
#include <tuple>

#include "admin/console/show_specs.h"

namespace weir {

namespace {

constexpr ResultColumn kWaitersColumns[] = {
    {"database"},
    {"user"},
    {"id", ColumnType::Int4},
    {"addr"},
    {"port", ColumnType::Int4},
    {"application_name"},
    {"waits_for"},
    {"detail"},
    {"since", ColumnType::Time},
    {"wait_ms", ColumnType::Int8},
    {"position", ColumnType::Int4},
    {"queue_length", ColumnType::Int4},
    {"behind_id", ColumnType::Int4},
    {"behind_application_name"},
    {"holder_id", ColumnType::Int4},
    {"holder_application_name"},
    {"holder_transaction_ms", ColumnType::Int8},
};

struct ByClient {
    bool operator()(const ClientId& a, const ClientId& b) const {
        return std::tie(a.worker, a.slot, a.generation, a.is_lookup) <
               std::tie(b.worker, b.slot, b.generation, b.is_lookup);
    }
};
using Clients = std::map<ClientId, const ClientRow*, ByClient>;

// What concerns all who stand in the queue of one pool.
struct Queue {
    std::string database, user;
    std::vector<Pool::Queued> waiters;
    Pool::Obstacle obstacle;
    const ClientRow* holder = nullptr;  // of the oldest lease
};

int64_t short_id(const ClientRow& client) {
    return static_cast<int64_t>(client.id & kShownIdBits);
}

int64_t ms_since(Instant now, Instant then) {
    return then.is_never() || now < then ? 0 : (now - then).count() / 1000;
}

// Whoever has had a connection of that pool for the longest time.
const ClientRow* oldest_holder(const ShowInput& input, const void* pool,
                               const std::map<uint64_t, const ClientRow*>& by_id) {
    const ClientRow* oldest = nullptr;
    for (const WorkerSnapshot& worker : input.workers) {
        for (const ServerRow& server : worker.servers) {
            if (server.pool != pool || server.link == 0) continue;
            const auto found = by_id.find(server.link);
            if (found == by_id.end() || found->second->transaction_from.is_never()) continue;
            if (oldest == nullptr || found->second->transaction_from < oldest->transaction_from)
                oldest = found->second;
        }
    }
    return oldest;
}

bool is_resolving(const ShowInput& input, const void* pool) {
    return std::any_of(input.workers.begin(), input.workers.end(), [pool](const auto& worker) {
        return std::any_of(worker.servers.begin(), worker.servers.end(), [pool](const auto& row) {
            return row.pool == pool && row.is_resolving;
        });
    });
}

std::vector<Queue> find_queues(const ShowInput& input) {
    std::map<uint64_t, const ClientRow*> by_id;
    for (const WorkerSnapshot& worker : input.workers) {
        for (const ClientRow& client : worker.clients)
            by_id.emplace(client.id, &client);
    }
    std::vector<Queue> out;
    const Instant now = input.inspector.now();
    input.inspector.pools().for_each_pool([&](Pool& pool) {
        Queue queue;
        queue.waiters = pool.queue();
        if (queue.waiters.empty()) return;
        queue.database = pool.key().database;
        queue.user = pool.key().user;
        queue.obstacle = pool.obstacle(now);
        const bool is_login = std::string_view(queue.obstacle.what) == "login";
        if (is_login && is_resolving(input, &pool)) queue.obstacle.what = "name look-up";
        if (input.inspector.is_suspended()) queue.obstacle = {"SUSPEND", ""};
        queue.holder = oldest_holder(input, &pool, by_id);
        out.push_back(std::move(queue));
    });
    return out;
}

// One in a queue; `client` is null for a look-up of a secret, and for one whose worker was asked
// before it came.
Cells row_of(const ShowInput& input, const Queue& queue, size_t index, const Clients& clients) {
    const Pool::Queued& waiter = queue.waiters[index];
    const auto find = [&clients](const ClientId& id) -> const ClientRow* {
        const auto found = clients.find(id);
        return found == clients.end() ? nullptr : found->second;
    };
    const ClientRow* client = find(waiter.client);
    const ClientRow* ahead = index == 0 ? nullptr : find(queue.waiters[index - 1].client);
    const Instant now = input.inspector.now();
    const Instant since = client == nullptr || client->waiting_since.is_never()
                              ? waiter.since
                              : client->waiting_since;
    Cells row = {queue.database, queue.user};
    if (client == nullptr) {
        row.insert(row.end(),
                   {Cell(), Cell(), Cell(), waiter.client.is_lookup ? Cell("auth_query") : Cell()});
    } else {
        row.insert(row.end(), {short_id(*client), client->addr, client->port,
                               text_or_null(client->application_name)});
    }
    row.insert(row.end(), {queue.obstacle.what, text_or_null(queue.obstacle.detail),
                           local_time(input.inspector, since), ms_since(now, since), index + 1,
                           queue.waiters.size()});
    row.emplace_back(ahead == nullptr ? Cell() : Cell(short_id(*ahead)));
    row.emplace_back(ahead == nullptr ? Cell() : text_or_null(ahead->application_name));
    const ClientRow* holder = queue.holder;
    row.emplace_back(holder == nullptr ? Cell() : Cell(short_id(*holder)));
    row.emplace_back(holder == nullptr ? Cell() : text_or_null(holder->application_name));
    row.emplace_back(holder == nullptr ? Cell() : Cell(ms_since(now, holder->transaction_from)));
    return row;
}

const char* reason_text(const ClientRow& client) {
    switch (client.waits_for) {
        case WaitReason::Backend: return "backend";
        case WaitReason::RateLimit: return "rate limit";
        case WaitReason::WrongPassword: return "auth_failure_delay";
        case WaitReason::LoginAnswer:
            if (client.wait_detail == "pam" || client.wait_detail == "ldap")
                return client.wait_detail == "pam" ? "pam" : "ldap";
            return client.wait_detail == "peer" ? "system user" : "auth_query";
        default: return "";
    }
}

std::string detail_text(const ClientRow& client) {
    if (client.waits_for == WaitReason::Backend)
        return "none serves target_session_attrs=" + client.wait_detail;
    if (client.waits_for == WaitReason::LoginAnswer) return "auth_type " + client.wait_detail;
    return "";
}

// One that stands in no queue.
Cells row_of(const ShowInput& input, const ClientRow& client) {
    const Instant since =
        client.waiting_since.is_never() ? client.requested_at : client.waiting_since;
    return {client.database,
            client.pool_user.empty() ? client.user : client.pool_user,
            short_id(client),
            client.addr,
            client.port,
            text_or_null(client.application_name),
            reason_text(client),
            text_or_null(detail_text(client)),
            local_time(input.inspector, since),
            ms_since(input.inspector.now(), since),
            Cell(),
            Cell(),
            Cell(),
            Cell(),
            Cell(),
            Cell(),
            Cell()};
}

void show_waiters(const ShowInput& input, CommandOutcome& outcome) {
    Clients clients;
    for (const WorkerSnapshot& worker : input.workers) {
        for (const ClientRow& client : worker.clients)
            clients.emplace(client.client, &client);
    }
    for (const Queue& queue : find_queues(input)) {
        for (size_t i = 0; i < queue.waiters.size(); ++i)
            outcome.rows.push_back(row_of(input, queue, i, clients));
    }
    for (const auto& [id, client] : clients) {
        const bool is_elsewhere =
            client->waits_for != WaitReason::Nothing && client->waits_for != WaitReason::Queue;
        if (is_elsewhere) outcome.rows.push_back(row_of(input, *client));
    }
}

}  // namespace

constinit const ShowSpec kShowWaiters = {
    .topic = "WAITERS", .columns = kWaitersColumns, .fill = show_waiters, .needs_workers = true};

}  // namespace weir
