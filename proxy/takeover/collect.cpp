#include "proxy/takeover/collect.h"

#include <algorithm>
#include <unordered_map>

#include "proxy/session/cancels.h"
#include "proxy/session/client_login.h"
#include "proxy/session/clients.h"
#include "proxy/session/servers.h"
#include "proxy/takeover/entry.h"

namespace weir {

namespace {

std::string to_string(const ByteQueue& bytes) {
    return std::string(as_text(bytes.view()));
}

std::string raw(const Address& address) {
    return {reinterpret_cast<const char*>(address.data()), address.size()};
}

// Nobody else can go on with it: the challenge was ours.
bool is_proving(const ClientSession& session) {
    return session.phase == ClientPhase::Authenticating || session.phase == ClientPhase::AuthWait;
}

// What has failed, or was only a cancel request, may still have its login.
bool is_logging_in(const ClientSession& session) {
    switch (session.phase) {
        case ClientPhase::Startup:
        case ClientPhase::Authenticating:
        case ClientPhase::Refused:
        case ClientPhase::LoginWait: return true;
        default: return false;
    }
}

HandedPhase phase_of(const ClientSession& session) {
    switch (session.phase) {
        case ClientPhase::Startup: return HandedPhase::Startup;
        case ClientPhase::Refused: return HandedPhase::Refused;
        case ClientPhase::LoginWait: return HandedPhase::Authenticated;
        case ClientPhase::Console: return HandedPhase::Console;
        case ClientPhase::CancelRequest: return HandedPhase::CancelRequest;
        case ClientPhase::Closing: return HandedPhase::Closing;
        default: return HandedPhase::Live;
    }
}

// The state of TLS, a member `tls` where connections have one, is in this process alone.
template <typename T>
bool is_encrypted(const T& connection) {
    if constexpr (requires { connection.tls != nullptr; }) {
        return connection.tls != nullptr;
    } else {
        return false;
    }
}

bool stays(const ClientSession& session) {
    return session.phase == ClientPhase::Free || is_proving(session) || is_encrypted(session) ||
           (session.server != nullptr && is_encrypted(*session.server));
}

// One that is not for a session, or not ready for any yet, stays.
bool is_movable(const ServerConnection& server) {
    if (is_encrypted(server)) return false;
    switch (server.phase) {
        case ServerPhase::Relaying:
        case ServerPhase::Preparing:
        case ServerPhase::Checking: return server.client != nullptr && !stays(*server.client);
        case ServerPhase::Cleaning: return !server.is_new;
        case ServerPhase::BeingCancelled:
        case ServerPhase::Closing: return true;
        default: return server.load_owner().state == LedgerState::Idle;
    }
}

// It is at work here, and goes on with that.
bool is_kept(const ServerConnection& server) {
    return server.load_owner().state == LedgerState::Leased &&
           server.phase != ServerPhase::BeingCancelled &&
           (is_encrypted(server) || (server.client != nullptr && stays(*server.client)));
}

HandedServerPhase phase_of(const ServerConnection& server) {
    switch (server.phase) {
        case ServerPhase::Relaying: return HandedServerPhase::Relaying;
        case ServerPhase::Preparing: return HandedServerPhase::Preparing;
        case ServerPhase::Checking: return HandedServerPhase::Checking;
        case ServerPhase::Cleaning: return HandedServerPhase::Cleaning;
        case ServerPhase::BeingCancelled: return HandedServerPhase::BeingCancelled;
        case ServerPhase::Closing: return HandedServerPhase::Closing;
        default: return HandedServerPhase::Ready;
    }
}

// What every session has, logged in or not.
HandedSession basics_of(const ClientSession& session) {
    HandedSession out;
    out.fd = session.fd;
    out.phase = phase_of(session);
    out.reads = session.reads;
    out.is_admin = session.is_admin;
    out.is_unix = session.is_unix;
    out.holds_client_units = session.holds_client_units;
    out.has_long_key = session.has_long_key;
    out.peer_id = session.peer_id;
    out.replication = session.replication;
    out.parser = session.parser.position();
    out.held = to_string(session.held);
    out.outbox = to_string(session.outbox);
    if (is_logging_in(session)) out.login = session.login->save();
    out.database = session.database;
    out.user = session.user;
    out.peer.assign(reinterpret_cast<const char*>(&session.peer), sizeof session.peer);
    out.id = session.id;
    out.connected_at = session.connected_at;
    out.requested_at = session.requested_at;
    return out;
}

class Collector {
  public:
    Collector(std::span<WorkerContext* const> workers, Shared& shared, const Config& config)
        : workers_(workers), shared_(shared), config_(config) {}

    HandedWorld run() {
        number_all();
        add_process();
        for (const auto& [group, ref] : groups_in_order_)
            add_group(*group);
        for (const ServerConnection* server : servers_in_order_)
            add_server(*server);
        for (const auto& [session, worker] : sessions_in_order_)
            add_session(*session, *worker);
        for (const WorkerContext* worker : workers_) {
            for (const CancelConnection* cancel : worker->cancels->in_hand()) {
                if (cancel->is_plain()) add_cancel(*cancel);
            }
        }
        return std::move(world_);
    }

  private:
    // References go both ways, so everything has its number first.
    void number_all() {
        shared_.pools.for_each_group([this](PoolGroup& group) {
            groups_in_order_.emplace_back(&group, 0);
            groups_[&group] = static_cast<HandedRef>(groups_in_order_.size());
        });
        for (WorkerContext* worker : workers_) {
            for (uint32_t slot = 0; slot < worker->clients_slab.capacity(); ++slot) {
                const ClientSession& session = *worker->clients_slab.at(slot);
                if (stays(session)) continue;
                sessions_in_order_.emplace_back(&session, worker);
                sessions_[&session] = static_cast<HandedRef>(sessions_in_order_.size());
            }
            for (ServerConnection* server = worker->owned.front(); server != nullptr;
                 server = worker->owned.next(*server)) {
                const bool is_there = server->load_owner().state == LedgerState::Leased;
                if (is_there && is_movable(*server)) number(*server);
            }
        }
        std::vector<const ServerConnection*> idle;
        shared_.pools.for_each_pool([&idle](const Pool& pool) {
            pool.for_each_idle([&idle](const ServerConnection& it) {
                if (is_movable(it)) idle.push_back(&it);
            });
        });
        std::stable_sort(idle.begin(), idle.end(), [](const auto* a, const auto* b) {
            return a->idle_since < b->idle_since;
        });
        for (const ServerConnection* server : idle)
            number(*server);
    }
    void number(const ServerConnection& server) {
        servers_in_order_.push_back(&server);
        servers_[&server] = static_cast<HandedRef>(servers_in_order_.size());
    }
    template <typename T>
    static HandedRef find(const std::unordered_map<const T*, HandedRef>& refs, const T* it) {
        const auto found = refs.find(it);
        return found == refs.end() ? 0 : found->second;
    }

    void add_process() {
        HandedProcess& process = world_.process;
        process.last_id = shared_.last_id.load();
        process.mock_secret = as_text(shared_.mock_secret);
        process.workers = static_cast<uint32_t>(workers_.size());
        shared_.pools.for_each_database([&process](const DatabaseState& state) {
            const bool is_paused = state.paused.load();
            const bool is_disabled = state.disabled.load();
            if (is_paused || is_disabled)
                process.databases.push_back({state.name, is_paused, is_disabled});
        });
    }

    HandedRef ref(const std::shared_ptr<const Welcome>& welcome) {
        if (welcome == nullptr) return 0;
        HandedRef& known = welcomes_[welcome.get()];
        if (known == 0) {
            HandedWelcome& made = world_.welcomes.emplace_back();
            for (const auto& [name, value] : welcome->parameters)
                made.parameters.push_back({name, value});
            known = static_cast<HandedRef>(world_.welcomes.size());
        }
        return known;
    }

    HandedRef ref(const Statement* statement) {
        if (statement == nullptr) return 0;
        HandedRef& known = statements_[statement->text_and_types];
        if (known == 0) {
            world_.statements.push_back({statement->text_and_types});
            known = static_cast<HandedRef>(world_.statements.size());
        }
        return known;
    }

    std::vector<NamedValue> named(const TrackedParameters& parameters) const {
        std::vector<NamedValue> out;
        for (size_t i = 0; i < shared_.names.size(); ++i) {
            const std::string_view value = parameters.get(i);
            if (!value.empty()) out.push_back({shared_.names.name(i), std::string(value)});
        }
        return out;
    }

    void add_group(PoolGroup& group) {
        HandedGroup out;
        out.database = group.key().database;
        out.user = group.key().user;
        if (const auto database = config_.find_database(out.database))
            out.entry = servers_entry(*database);
        const ServerCredentials credentials = group.credentials();
        out.secret = credentials.secret.view();
        if (const auto& keys = credentials.scram_keys) {
            out.scram_keys = HandedKeys{std::string(as_text(keys->client_key)),
                                        std::string(as_text(keys->server_key)), "", 0};
        }
        if (const auto& derived = credentials.derived_keys) {
            out.derived_keys = HandedKeys{std::string(as_text(derived->keys.client_key)),
                                          std::string(as_text(derived->keys.server_key)),
                                          std::string(as_text(derived->salt)), derived->iterations};
        }
        for (const auto& welcome : group.welcomes())
            out.welcomes.push_back(ref(welcome));
        world_.groups.push_back(std::move(out));
    }

    void add_server(const ServerConnection& server) {
        HandedServer out;
        const ServerOwner owner = server.load_owner();
        out.fd = server.fd;
        out.worker = owner.worker;
        out.group = find<PoolGroup>(groups_, &server.pool->group());
        if (server.pool->endpoint() != nullptr) out.backend = server.pool->endpoint()->address();
        out.ledger = owner.state == LedgerState::Idle ? HandedLedger::Idle : HandedLedger::Leased;
        out.phase = phase_of(server);
        out.is_old = !server.pool->is_current(server);
        out.reads = server.reads;
        out.is_reset_needed = server.is_reset_needed;
        out.is_reset_sent = server.is_reset_sent;
        out.is_cancel_sent = server.is_cancel_sent;
        out.is_copy_fail_sent = server.is_copy_fail_sent;
        out.is_error_forwarded = server.is_error_forwarded;
        out.is_own_query_failed = server.is_own_query_failed;
        out.is_stream_forwarded = server.is_stream_forwarded;
        out.is_stream_over = server.is_stream_over;
        out.has_said_why = server.has_said_why;
        out.is_hot_standby = server.is_hot_standby;
        out.is_known_writable = server.is_known_writable;
        out.is_leaving = server.is_leaving;
        out.may_forget = server.may_forget;
        out.parser = server.parser.position();
        out.tracker = server.tracker.save();
        out.held = to_string(server.held);
        out.outbox = to_string(server.outbox);
        out.statements = server.statements.save();
        out.unnamed_of = ref_of(server.unnamed_of);
        out.unnamed_version = server.unnamed_version;
        out.unnamed_batch = server.unnamed_batch;
        out.parameters = named(server.parameters);
        out.welcome = ref(server.welcome);
        out.backend_key = server.backend_key;
        out.replication = server.replication;
        out.dedicated_to = ref_of(server.reserved_for);
        out.address = raw(server.address);
        out.local_address = raw(server.local_address);
        out.host = server.host;
        out.port = server.port;
        out.id = server.id;
        out.connected_at = server.connected_at;
        out.requested_at = server.requested_at;
        out.idle_since = server.idle_since;
        out.clean_by = server.clean_by;
        out.lifetime = server.lifetime;
        world_.servers.push_back(std::move(out));
    }

    // The session that a message would name so.
    [[nodiscard]] HandedRef ref_of(ClientId id) const {
        for (WorkerContext* worker : workers_) {
            if (worker->id != id.worker || id.is_nobody()) continue;
            return find<ClientSession>(sessions_,
                                       worker->clients_slab.find(id.slot, id.generation));
        }
        return 0;
    }

    void add_session(const ClientSession& session, const WorkerContext& worker) {
        HandedSession out = basics_of(session);
        out.worker = worker.id;
        out.is_depth_blocked = session.is_depth_blocked;
        out.is_discarding_body = session.is_discarding_body;
        out.is_discarding_to_sync = session.is_discarding_to_sync;
        out.is_read_paused = session.is_read_paused;
        out.is_write = session.is_write;
        out.is_waiting = session.phase == ClientPhase::Waiting;
        out.pool_mode = session.pool_mode;
        out.wanted = session.wanted;
        out.reason = static_cast<uint32_t>(session.reason.index());
        if (session.cancel_secret != 0) out.cancel_key = cancel_key_of(worker, session);
        out.resume_at_pending = session.resume_at_pending;
        out.whole_bytes = session.whole_bytes;
        out.unnamed_version = session.unnamed_version;
        out.server = find<ServerConnection>(servers_, session.server);
        out.group = find<PoolGroup>(groups_, session.group);
        add_statements(session, out);
        out.parameters = named(session.parameters);
        out.welcome = ref(session.welcome);
        out.required_lsn = session.required_lsn;
        out.last_write_at = session.last_write_at;
        out.transaction_from = session.transaction_from;
        out.query_from = session.query_from;
        out.quiet_since = session.quiet_since;
        world_.sessions.push_back(std::move(out));
    }

    void add_statements(const ClientSession& session, HandedSession& out) {
        if (session.statements == nullptr) return;
        const ClientStatements::State state = session.statements->save();
        out.unnamed = ref(state.unnamed);
        for (const ClientStatements::Saved& it : state.named)
            out.named.push_back({it.name, ref(it.statement)});
        for (const ClientStatements::SavedChange& it : state.unconfirmed)
            out.unconfirmed.push_back({it.name, it.batch, ref(it.before), it.is_parse});
    }

    void add_cancel(const CancelConnection& cancel) {
        world_.cancels.push_back({cancel.fd, find<ServerConnection>(servers_, cancel.server),
                                  ref_of(cancel.requester), cancel.is_sent(), cancel.request});
    }

    const std::span<WorkerContext* const> workers_;
    Shared& shared_;
    const Config& config_;
    HandedWorld world_;
    std::vector<std::pair<PoolGroup*, HandedRef>> groups_in_order_;
    std::vector<const ServerConnection*> servers_in_order_;
    std::vector<std::pair<const ClientSession*, const WorkerContext*>> sessions_in_order_;
    std::unordered_map<const PoolGroup*, HandedRef> groups_;
    std::unordered_map<const ServerConnection*, HandedRef> servers_;
    std::unordered_map<const ClientSession*, HandedRef> sessions_;
    std::unordered_map<const Welcome*, HandedRef> welcomes_;
    std::unordered_map<std::string_view, HandedRef> statements_;  // keys view into the workers'
};

}  // namespace

bool can_follow(const ClientSession& session) {
    return !is_encrypted(session);
}

HandedSession collect_login(const ClientSession& session) {
    HandedSession out = basics_of(session);
    out.phase = HandedPhase::Authenticated;
    return out;
}

HandedWorld collect(std::span<WorkerContext* const> workers, Shared& shared, const Config& config) {
    return Collector(workers, shared, config).run();
}

void let_go(std::span<WorkerContext* const> workers, Shared& shared) {
    for (WorkerContext* worker : workers) {
        for (uint32_t slot = 0; slot < worker->clients_slab.capacity(); ++slot) {
            ClientSession& session = *worker->clients_slab.at(slot);
            if (!stays(session)) worker->clients->let_go(session);
        }
        worker->cancels->let_go();
        std::vector<ServerConnection*> gone;
        for (ServerConnection* server = worker->owned.front(); server != nullptr;
             server = worker->owned.next(*server)) {
            if (!is_kept(*server)) gone.push_back(server);
        }
        for (ServerConnection* server : gone) {
            worker->owned.remove(*server);
            worker->deadlines.disarm(*server);
            if (server->fd >= 0) {
                worker->io.remove(server->fd);
                worker->io.close(server->fd);
            }
            server->pool->forget(*server);
        }
        worker->servers->let_go();
    }
    shared.pools.for_each_pool([&](Pool& pool) {
        std::vector<ServerConnection*> idle;
        pool.take_all_idle(workers.front()->id, idle);
        for (ServerConnection* server : idle) {
            for (WorkerContext* worker : workers) {
                if (worker->id != server->registered_with) continue;
                worker->io.remove(server->fd);
                worker->io.close(server->fd);
            }
            pool.forget(*server);
        }
    });
}

}  // namespace weir
