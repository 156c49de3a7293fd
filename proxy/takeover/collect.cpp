#include "proxy/takeover/collect.h"

#include <algorithm>
#include <unordered_map>

#include "proxy/session/cancel/cancels.h"
#include "proxy/session/login/client_login.h"
#include "proxy/takeover/entry.h"
#include "proxy/takeover/same_members.h"
#include "proxy/takeover/staying.h"

namespace weir {

namespace {

std::string to_string(const ByteQueue& bytes) {
    return std::string(as_text(bytes.view()));
}

std::string raw(const Address& address) {
    return {reinterpret_cast<const char*>(address.data()), address.size()};
}

// What has failed, or was only a cancel request, may still have its login.
bool is_logging_in(const ClientSession& session) {
    switch (session.phase) {
        case ClientPhase::Startup:
        case ClientPhase::Authenticating:
        case ClientPhase::AuthWait:
        case ClientPhase::Refused:
        case ClientPhase::LoginWait: return true;
        default: return false;
    }
}

HandedPhase phase_of(const ClientSession& session) {
    switch (session.phase) {
        case ClientPhase::Startup: return HandedPhase::Startup;
        case ClientPhase::AuthWait: return HandedPhase::Named;
        case ClientPhase::Refused: return HandedPhase::Refused;
        case ClientPhase::LoginWait: return HandedPhase::Authenticated;
        case ClientPhase::Console: return HandedPhase::Console;
        case ClientPhase::CancelRequest: return HandedPhase::CancelRequest;
        case ClientPhase::Closing: return HandedPhase::Closing;
        default: return HandedPhase::Live;
    }
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
    copy_login(session, out);
    out.phase = phase_of(session);
    out.holds_client_units = session.holds_client_units;
    out.peer_id = session.peer_id;
    out.parser = session.parser.position();
    out.held = to_string(session.held);
    out.outbox = to_string(session.outbox);
    if (is_logging_in(session)) out.login = session.login->save();
    out.peer.assign(reinterpret_cast<const char*>(&session.peer), sizeof session.peer);
    if (session.auth_method) out.auth_method = static_cast<uint32_t>(*session.auth_method) + 1;
    out.transactions = session.tally.transactions;
    out.queries = session.tally.queries;
    out.bytes_received = session.tally.bytes_received;
    out.bytes_sent = session.tally.bytes_sent;
    return out;
}

class Collector {
  public:
    Collector(std::span<WorkerContext* const> workers, Shared& shared, const Config& config)
        : workers_(workers), staying_(workers), shared_(shared), config_(config) {}

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
                if (!staying_.stays(*cancel)) add_cancel(*cancel);
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
                if (staying_.stays(session)) continue;
                sessions_in_order_.emplace_back(&session, worker);
                sessions_[&session] = static_cast<HandedRef>(sessions_in_order_.size());
            }
            for (ServerConnection* server = worker->owned.front(); server != nullptr;
                 server = worker->owned.next(*server)) {
                const bool is_there = server->load_owner().state == LedgerState::Leased;
                if (is_there && staying_.moves(*server)) number(*server);
            }
        }
        std::vector<const ServerConnection*> idle;
        shared_.pools.for_each_pool([this, &idle](const Pool& pool) {
            pool.for_each_idle([this, &idle](const ServerConnection& it) {
                if (staying_.moves(it)) idle.push_back(&it);
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
        HandedRef& known = statements_[statement->content];
        if (known == 0) {
            world_.statements.push_back(
                {std::string(statement->text_and_types), std::string(statement->settings)});
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
        copy_server(server, out);
        out.is_old = !server.pool->is_current(server);
        out.is_leaving = server.is_leaving;
        out.parser = server.parser.position();
        out.tracker = server.tracker.save();
        out.held = to_string(server.held);
        out.outbox = to_string(server.outbox);
        out.statements = server.statements.save(server.pool->database_state().schema.load());
        out.unnamed_of = ref_of(server.unnamed_of);
        out.parameters = named(server.parameters);
        out.welcome = ref(server.welcome);
        out.dedicated_to = ref_of(server.reserved_for);
        out.address = raw(server.address);
        out.local_address = raw(server.local_address);
        world_.servers.push_back(std::move(out));
    }

    [[nodiscard]] HandedRef ref_of(ClientId id) const {
        return find<ClientSession>(sessions_, staying_.find(id));
    }

    void add_session(const ClientSession& session, const WorkerContext& worker) {
        HandedSession out = basics_of(session);
        copy_live(session, out);
        out.worker = worker.id;
        out.is_waiting = session.phase == ClientPhase::Waiting;
        out.reason = static_cast<uint32_t>(session.reason.index());
        if (session.cancel_secret != 0) out.cancel_key = cancel_key_of(worker, session);
        out.whole_bytes = session.whole_bytes;
        out.server = find<ServerConnection>(servers_, session.server);
        out.group = find<PoolGroup>(groups_, session.group);
        add_statements(session, out);
        out.parameters = named(session.parameters);
        out.welcome = ref(session.welcome);
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
    const Staying staying_;
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

HandedSession collect_login(const ClientSession& session) {
    HandedSession out = basics_of(session);
    out.phase = HandedPhase::Authenticated;
    return out;
}

HandedSession collect_visitor(const ClientSession& session, const CancelKey& key) {
    HandedSession out = basics_of(session);
    out.phase = HandedPhase::Startup;
    out.login.emplace();
    out.reads = true;
    out.held = make_cancel_request(key);
    out.outbox.clear();
    return out;
}

HandedWorld collect(std::span<WorkerContext* const> workers, Shared& shared, const Config& config) {
    return Collector(workers, shared, config).run();
}

}  // namespace weir
