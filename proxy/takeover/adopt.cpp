#include "proxy/takeover/adopt.h"

#include <algorithm>
#include <cstring>

#include "proxy/session/cancel/cancels.h"
#include "proxy/session/cancel/client_key.h"
#include "proxy/session/clients.h"
#include "proxy/session/leak_watch.h"
#include "proxy/session/relay/query_recorder.h"
#include "proxy/session/servers.h"
#include "proxy/session/throttle.h"
#include "proxy/takeover/adopt_session.h"
#include "proxy/takeover/coherence.h"
#include "proxy/takeover/entry.h"
#include "proxy/takeover/same_members.h"

namespace weir {

namespace {

constexpr Duration kFarewell = std::chrono::seconds(2);

ByteView view(const std::string& text) {
    return as_bytes(std::string_view(text));
}

Address address_from(const std::string& raw) {
    if (raw.empty() || raw.size() > sizeof(sockaddr_storage)) return {};
    return Address::from_sockaddr(reinterpret_cast<const sockaddr*>(raw.data()),
                                  static_cast<socklen_t>(raw.size()));
}

std::shared_ptr<ScramKeys> keys_from(const HandedKeys& handed) {
    if (handed.client_key.size() != kScramKeyBytes || handed.server_key.size() != kScramKeyBytes)
        return nullptr;
    auto keys = std::make_shared<ScramKeys>();
    std::memcpy(keys->client_key.data(), handed.client_key.data(), kScramKeyBytes);
    std::memcpy(keys->server_key.data(), handed.server_key.data(), kScramKeyBytes);
    return keys;
}

ServerPhase phase_of(HandedServerPhase phase) {
    switch (phase) {
        case HandedServerPhase::Relaying: return ServerPhase::Relaying;
        case HandedServerPhase::Preparing: return ServerPhase::Preparing;
        case HandedServerPhase::Checking: return ServerPhase::Checking;
        case HandedServerPhase::Cleaning: return ServerPhase::Cleaning;
        case HandedServerPhase::BeingCancelled: return ServerPhase::BeingCancelled;
        case HandedServerPhase::Closing: return ServerPhase::Closing;
        case HandedServerPhase::Ready: break;
    }
    return ServerPhase::Ready;
}

class Adopter {
  public:
    Adopter(const HandedWorld& world, std::span<WorkerContext* const> workers, Shared& shared,
            const Config& config, Instant now)
        : world_(world), workers_(workers), shared_(shared), config_(config), now_(now) {}

    Result<Adoption> run() {
        if (!is_coherent(world_))
            return fail("58000", "what the running process hands over is malformed");
        take_process();
        for (const HandedWelcome& handed : world_.welcomes) {
            Welcome& made = welcomes_.emplace_back();
            for (const NamedValue& it : handed.parameters)
                made.parameters.emplace_back(it.name, it.value);
        }
        for (const HandedGroup& handed : world_.groups)
            take_group(handed);
        for (size_t i = 0; i < world_.sessions.size(); ++i)
            reserve_session(i);
        for (const HandedServer& handed : world_.servers)
            take_server(handed);
        if (are_trackers_wrong_)
            return fail("58000", "what the running process hands over contradicts itself");
        for (size_t i = 0; i < world_.sessions.size(); ++i)
            take_session(world_.sessions[i], *sessions_[i]);
        for (const HandedCancel& handed : world_.cancels)
            take_cancel(handed);
        arm_servers();
        schedule_waiting();
        return std::move(adoption_);
    }

  private:
    // ---- what is shared ----

    void take_process() {
        const HandedProcess& process = world_.process;
        shared_.last_id.store(process.last_id);
        if (process.mock_secret.size() == shared_.mock_secret.size()) {
            std::memcpy(shared_.mock_secret.data(), process.mock_secret.data(),
                        process.mock_secret.size());
        }
        for (const HandedDatabase& it : process.databases) {
            const auto database = config_.find_database(it.name);
            if (!database) continue;
            DatabaseState& state = shared_.pools.database(config_, *database);
            state.paused.store(it.is_paused);
            state.disabled.store(it.is_disabled);
        }
    }

    void take_group(const HandedGroup& handed) {
        auto database = config_.find_database(handed.database);
        const bool is_removed = !database;
        if (is_removed) {
            database.emplace();
            database->name = handed.database;
        }
        PoolGroup& group = shared_.pools.find_or_create(config_, *database, handed.user);
        const auto note = [&handed](std::vector<std::string>& names) {
            if (std::find(names.begin(), names.end(), handed.database) == names.end())
                names.push_back(handed.database);
        };
        const bool is_old = is_removed || handed.entry != servers_entry(*database);
        if (is_removed) {
            group.database_state().removed.store(true);
            note(adoption_.removed);
        } else if (is_old) {
            note(adoption_.recycled);
        }
        groups_.push_back({&group, is_old});
        if (!is_old) {
            for (const HandedRef ref : handed.welcomes)
                (void)group.intern(welcomes_[ref - 1]);
        }
        if (!handed.user.empty()) group.set_credentials(credentials(*database, handed));
    }

    // As ClientLogin finds them, else those of the other process.
    [[nodiscard]] ServerCredentials credentials(const DatabaseConfig& database,
                                                const HandedGroup& handed) const {
        ServerCredentials out;
        out.user = handed.user;
        if (database.password) {
            out.secret = SecretString(*database.password);
        } else if (const std::string* secret = config_.find_secret(handed.user)) {
            out.secret = SecretString(*secret);
        } else {
            out.secret = SecretString(handed.secret);
        }
        if (!(out.secret == SecretString(handed.secret))) return out;
        if (handed.scram_keys) out.scram_keys = keys_from(*handed.scram_keys);
        if (handed.derived_keys) {
            if (const auto keys = keys_from(*handed.derived_keys)) {
                const ByteView salt = view(handed.derived_keys->salt);
                out.derived_keys = std::make_shared<DerivedKeys>(DerivedKeys{
                    *keys, {salt.begin(), salt.end()}, handed.derived_keys->iterations});
            }
        }
        return out;
    }

    // Of the group's pools the one that leads to the backend; any other is as good for a connection
    // that will not stay.
    Pool& pool_of(PoolGroup& group, const std::string& backend, bool* is_found) const {
        for (const PoolMember& member : group.members().list) {
            const Endpoint* endpoint = member.pool->endpoint();
            if ((endpoint == nullptr ? std::string() : endpoint->address()) == backend) {
                *is_found = true;
                return *member.pool;
            }
        }
        *is_found = false;
        return group.first();
    }

    std::shared_ptr<const Welcome> welcome(PoolGroup& group, HandedRef ref) const {
        return ref == 0 ? nullptr : group.intern(welcomes_[ref - 1]);
    }

    TrackedParameters parameters(const std::vector<NamedValue>& values) const {
        TrackedParameters out;
        for (const NamedValue& it : values) {
            if (const int index = shared_.names.index_of(it.name); index >= 0)
                out.set(static_cast<size_t>(index), it.value);
        }
        return out;
    }

    // ---- sessions ----

    // With as many workers as before each keeps its own.
    WorkerContext& worker_for(uint32_t worker, size_t index) const {
        const bool is_same = world_.process.workers == workers_.size() && worker < workers_.size();
        return *workers_[is_same ? worker : index % workers_.size()];
    }

    // Its place, which others refer to.
    void reserve_session(size_t index) {
        const HandedSession& handed = world_.sessions[index];
        sessions_.push_back(&take_slot(worker_for(handed.worker, index)));
    }

    WorkerContext& context(const ClientSession& session) const {
        return *workers_[session.client_id().worker];
    }

    void take_session(const HandedSession& handed, ClientSession& session) {
        WorkerContext& ctx = context(session);
        take_basics(handed, session, ctx);
        if (handed.cancel_key.is_set()) {
            session.cancel_secret = parse_client_key(handed.cancel_key).secret;
            session.adopted_key = std::make_unique<CancelKey>(handed.cancel_key);
            shared_.adopted_keys.insert(handed.cancel_key, session.client_id());
        }
        take_phase(handed, session, ctx);
        watch(session, ctx);
        if (session.phase == ClientPhase::Closing) {
            ctx.deadlines.arm(session, now_ + kFarewell);
        } else if (session.phase == ClientPhase::CancelRequest) {
            ctx.deadlines.arm(session, now_ + config_.global.cancel_wait_timeout);
        } else if (session.phase == ClientPhase::Refused) {
            ctx.deadlines.arm(session, handed.login->answer_at);
        } else {
            ctx.clients->arm(session);
        }
        if (!session.held.empty()) {
            handed.is_waiting ? waiting_.push_back(&session) : ctx.clients->schedule(session);
        }
        ++adoption_.sessions;
    }

    void take_phase(const HandedSession& handed, ClientSession& session, WorkerContext& ctx) {
        switch (handed.phase) {
            case HandedPhase::Startup: session.phase = ClientPhase::Startup; break;
            case HandedPhase::Refused: session.phase = ClientPhase::Refused; break;
            case HandedPhase::Named:
            case HandedPhase::Authenticated: session.phase = ClientPhase::Authenticating; break;
            case HandedPhase::Console: session.phase = ClientPhase::Console; break;
            case HandedPhase::CancelRequest: session.phase = ClientPhase::CancelRequest; break;
            case HandedPhase::Closing: session.phase = ClientPhase::Closing; break;
            case HandedPhase::Live: take_live(handed, session, ctx); break;
        }
    }

    void take_live(const HandedSession& handed, ClientSession& session, WorkerContext& ctx) {
        PoolGroup& group = *groups_[handed.group - 1].group;
        session.group = &group;
        session.pool = &group.first();
        if (session.holds_client_units) {
            group.clients.fetch_add(1, std::memory_order_relaxed);
            group.database_state().clients.take();
            shared_.pools.user(config_, session.user).clients.take();
        }
        copy_live(handed, session);
        session.phase = ClientPhase::Idle;
        session.reason = RouteReason::at(handed.reason);
        session.may_split = may_split(handed.wanted, handed.pool_mode);
        session.resumes_wait = handed.is_waiting;
        session.parameters = parameters(handed.parameters);
        session.welcome = welcome(group, handed.welcome);
        take_statements(handed, session, ctx);
        ctx.clients->refresh_timeouts(session);
        const int application = shared_.names.index_of("application_name");
        ctx.throttle->concern(session, session.parameters.get(static_cast<size_t>(application)));
        if (handed.server == 0) return;
        ServerConnection& server = *servers_[handed.server - 1];
        session.phase = ClientPhase::Active;
        session.pool = server.pool;
        session.server = &server;
        server.client = &session;
        ctx.leaks->on_checkout(server);
        ctx.recorder->on_checkout(server, Duration(0));
    }

    Statement& statement(WorkerContext& ctx, HandedRef ref) const {
        const HandedStatement& handed = world_.statements[ref - 1];
        return ctx.statements.acquire(view(handed.text_and_types), true, handed.settings);
    }

    void take_statements(const HandedSession& handed, ClientSession& session, WorkerContext& ctx) {
        if (handed.unnamed == 0 && handed.named.empty() && handed.unconfirmed.empty()) return;
        session.statements = std::make_unique<ClientStatements>(ctx.statements);
        if (handed.unnamed != 0) session.statements->insert("", statement(ctx, handed.unnamed));
        for (const HandedName& it : handed.named)
            (void)session.statements->insert(it.name, statement(ctx, it.statement));
        for (const HandedChange& it : handed.unconfirmed) {
            Statement* before = it.before == 0 ? nullptr : &statement(ctx, it.before);
            session.statements->restore_change(it.name, it.batch, before, it.is_parse);
        }
    }

    // First come, first served, as before.
    void schedule_waiting() {
        std::stable_sort(waiting_.begin(), waiting_.end(), [](const auto* a, const auto* b) {
            return a->requested_at < b->requested_at;
        });
        for (ClientSession* session : waiting_)
            context(*session).clients->schedule(*session);
    }

    // ---- servers ----

    void take_server(const HandedServer& handed) {
        const size_t index = servers_.size();
        const TakenGroup& group = groups_[handed.group - 1];
        bool is_found = false;
        Pool& pool = pool_of(*group.group, handed.backend, &is_found);
        const bool is_idle = handed.ledger == HandedLedger::Idle;
        WorkerContext& ctx = worker_of(handed, index);
        const bool is_old = handed.is_old || group.is_old || !is_found;
        const ClientId dedicated_to =
            handed.dedicated_to == 0 ? ClientId{} : sessions_[handed.dedicated_to - 1]->client_id();
        ServerConnection& server = pool.adopt(is_idle ? LedgerState::Idle : LedgerState::Leased,
                                              ctx.id, is_old, dedicated_to);
        servers_.push_back(&server);
        copy_server(handed, server);
        server.phase = phase_of(handed.phase);
        server.fd = handed.fd;
        server.registered_with = ctx.id;
        server.writes = !handed.outbox.empty();
        server.parser.set_position(handed.parser);
        are_trackers_wrong_ =
            are_trackers_wrong_ || !server.tracker.restore(handed.tracker) ||
            !server.statements.restore(handed.statements, pool.database_state().schema.load());
        server.held.append(view(handed.held));
        server.outbox.append(view(handed.outbox));
        if (handed.unnamed_of != 0)
            server.unnamed_of = sessions_[handed.unnamed_of - 1]->client_id();
        server.parameters = parameters(handed.parameters);
        server.welcome = welcome(*group.group, handed.welcome);
        server.address = address_from(handed.address);
        server.local_address = address_from(handed.local_address);
        if (!is_idle) ctx.owned.push_back(server);
        if (handed.is_leaving) pool.announce_leaving(server);
        // With nothing to wait for, it is not watched at all, see Servers::set_interest().
        if (server.reads || server.writes)
            ctx.io.add(server.fd, Servers::watch_of(server), WorkerContext::interest(server));
        ++adoption_.servers;
    }

    // That of its client, which never changes its worker.
    WorkerContext& worker_of(const HandedServer& handed, size_t index) {
        if (client_of_.empty()) {
            client_of_.resize(world_.servers.size());
            for (size_t i = 0; i < world_.sessions.size(); ++i) {
                if (world_.sessions[i].server != 0)
                    client_of_[world_.sessions[i].server - 1] = sessions_[i];
            }
        }
        if (client_of_[index] != nullptr) return context(*client_of_[index]);
        return worker_for(handed.worker, index);
    }

    void arm_servers() {
        for (ServerConnection* server : servers_) {
            WorkerContext& ctx = *workers_[server->load_owner().worker];
            switch (server->phase) {
                case ServerPhase::Cleaning: ctx.deadlines.arm(*server, now_); break;
                case ServerPhase::Closing: ctx.deadlines.arm(*server, now_ + kFarewell); break;
                case ServerPhase::Relaying: ctx.servers->watch_stall(*server); break;
                default: break;
            }
        }
    }

    // A cancel request is the business of its server's worker.
    void take_cancel(const HandedCancel& handed) {
        ServerConnection* server = handed.server == 0 ? nullptr : servers_[handed.server - 1];
        const ClientId requester =
            handed.requester == 0 ? ClientId{} : sessions_[handed.requester - 1]->client_id();
        const size_t worker = server == nullptr ? 0 : server->load_owner().worker;
        workers_[worker]->cancels->adopt(handed.fd, server, requester, handed.request,
                                         handed.is_sent);
    }

    struct TakenGroup {
        PoolGroup* group = nullptr;
        bool is_old = false;  // its servers lead elsewhere now
    };

    const HandedWorld& world_;
    const std::span<WorkerContext* const> workers_;
    Shared& shared_;
    const Config& config_;
    const Instant now_;
    std::vector<Welcome> welcomes_;
    std::vector<TakenGroup> groups_;
    std::vector<ServerConnection*> servers_;
    std::vector<ClientSession*> sessions_;
    std::vector<ClientSession*> waiting_;
    std::vector<ClientSession*> client_of_;  // by server
    bool are_trackers_wrong_ = false;
    Adoption adoption_;
};

}  // namespace

Result<Adoption> adopt(const HandedWorld& world, std::span<WorkerContext* const> workers,
                       Shared& shared, const Config& config, Instant now) {
    return Adopter(world, workers, shared, config, now).run();
}

}  // namespace weir
