#include "proxy/session/login/secret_lookups.h"

#include <utility>

#include "protocol/message/writer.h"
#include "proxy/pool/refusals.h"
#include "proxy/pool/route_survey.h"
#include "proxy/session/leasing.h"
#include "proxy/session/servers.h"

namespace weir {

namespace {

using Phase = SecretLookup::Phase;

// What a stranger is told, as PgBouncer does; the log has the rest.
Error config_error() {
    return {"08P01", "bouncer config error"};
}

}  // namespace

// Logins of strangers bring these about.
void SecretLookups::note(const std::string& text) {
    const auto suppressed = lines_.admit(ctx_.now);
    if (!suppressed) return;
    if (*suppressed > 0) return log::error("{} ({} lines suppressed)", text, *suppressed);
    log::error("{}", text);
}

// ---- the question ----

std::optional<Result<UserSecret>> SecretLookups::look_up(const SecretRequest& request) {
    const DatabaseConfig* entry = request.entry;
    // Of a database that does not exist nobody is asked: the exchange goes on as with a stranger.
    if (entry == nullptr && !request.is_console) return UserSecret{};
    Result<Plan> wanted = plan(request.database, entry, request.is_console);
    if (!wanted) {
        note(wanted.error().message);
        return tl::unexpected<Error>(config_error());
    }
    if (wanted->auth_user.empty()) return UserSecret{};
    const SecretKey key{request.database, request.user};
    if (!request.must_ask) {
        const Duration ttl = ctx_.config->global.auth_query_ttl;
        if (auto known = ctx_.shared.secret_cache.find(key, ctx_.now, ttl))
            return UserSecret{.is_known = true, .secret = std::move(*known), .may_be_stale = true};
    }
    if (ctx_.shared.secret_flights.join(key, request.question)) begin(key, std::move(*wanted));
    return std::nullopt;
}

Result<SecretLookups::Plan> SecretLookups::plan(const std::string& database,
                                                const DatabaseConfig* entry, bool is_console) {
    const GlobalConfig& global = ctx_.config->global;
    Plan out;
    out.auth_user = entry != nullptr && entry->auth_user ? *entry->auth_user : global.auth_user;
    if (out.auth_user.empty()) return out;
    out.query = entry != nullptr && entry->auth_query ? *entry->auth_query : global.auth_query;
    std::string name =
        entry != nullptr && entry->auth_dbname ? *entry->auth_dbname : global.auth_dbname;
    if (name.empty()) name = database;
    const VirtualDatabase* console = ctx_.shared.console;
    const bool is_reserved =
        (is_console && name == database) || (console != nullptr && console->owns(name));
    if (is_reserved)
        return fail("cannot use the reserved \"" + name + "\" database as an auth_dbname");
    auto target = ctx_.config->find_database(name);
    if (!target) return fail("authentication database \"" + name + "\" is not configured.");
    if (ctx_.shared.pools.database(*ctx_.config, *target).disabled.load())
        return fail("authentication database \"" + name + "\" is disabled.");
    out.target = std::move(*target);
    return out;
}

void SecretLookups::begin(const SecretKey& key, Plan plan) {
    SecretLookup& lookup = slab_.take();
    lookup.Deadline::kind = Deadline::Kind::Lookup;
    lookup.Waiter::client = {lookup.slot, lookup.generation, ctx_.id, true};
    lookup.key = key;
    lookup.query = std::move(plan.query);
    lookup.since = ctx_.now;
    lookup.group = &ctx_.shared.pools.find_or_create(*ctx_.config, plan.target, plan.auth_user);
    const std::string* secret = ctx_.config->find_secret(plan.auth_user);
    // Without one in auth_file, a login of auth_user itself may have left one.
    if (secret != nullptr || !lookup.group->has_credentials()) {
        ServerCredentials credentials;
        credentials.user = plan.auth_user;
        if (secret != nullptr) credentials.secret = SecretString(*secret);
        lookup.group->set_credentials(std::move(credentials));
    }
    request(lookup, nullptr);
}

void SecretLookups::begin_again(const SecretKey& key) {
    const VirtualDatabase* console = ctx_.shared.console;
    const bool is_console = console != nullptr && console->owns(key.database);
    const auto entry = ctx_.config->find_database(key.database);
    Result<Plan> wanted = plan(key.database, entry ? &*entry : nullptr, is_console);
    if (wanted && !wanted->auth_user.empty()) return begin(key, std::move(*wanted));
    // The configuration has changed: they log in once more.
    const Error error = config_error();
    bool has_next = true;
    while (has_next) {
        const SecretFlights::Landed landed = ctx_.shared.secret_flights.land(key);
        for (const LoginQuestion& question : landed.to_tell)
            tell(question, tl::unexpected<Error>(error));
        has_next = landed.has_next;
    }
}

// ---- a connection to ask on ----

Pool* SecretLookups::choose(SecretLookup& lookup, const Pool* tried) {
    const PoolMembers& members = lookup.group->members();
    if (!members.is_routed) return members.list.front().pool;
    RouteView& view = members.views[ctx_.id];
    for (const auto wanted : {TargetSessionAttrs::Primary, TargetSessionAttrs::Any}) {
        const RouteRequest request =
            survey(members, {wanted, 0, tried}, ctx_.id, ctx_.now, view.places, view.candidates);
        if (!mark_best(view.places, request, view.candidates)) continue;
        if (const auto chosen = view.selector.select(view.candidates, random_))
            return members.list[*chosen].pool;
    }
    return nullptr;
}

void SecretLookups::hold(SecretLookup& lookup, Duration time) {
    lookup.phase = Phase::Held;
    lookup.pool = nullptr;
    ctx_.deadlines.disarm(lookup);
    ctx_.deadlines.arm(lookup, ctx_.now + time);
}

void SecretLookups::request(SecretLookup& lookup, const Pool* tried) {
    Pool* pool = choose(lookup, tried);
    if (pool == nullptr) {
        if (ctx_.now - lookup.since < ctx_.config->global.breaker_hold)
            return hold(lookup, kLookAgain);
        // A stranger is not told of backends.
        note(with_cause("auth_query: no healthy backend", lookup.group->members()));
        return answer(lookup, fail("57P03", "no healthy backend for auth_query (breaker_hold)"));
    }
    lookup.pool = pool;
    ctx_.deadlines.disarm(lookup);
    Pool::Acquired got = pool->acquire(lookup, ctx_.id, ctx_.now, lookup.since);
    if (got.refused) return answer(lookup, tl::unexpected<Error>(cached_refusal(*got.refused)));
    if (!got.is_queued) {
        ctx_.leasing->adopt(*got.server);
        return use(lookup, *got.server);
    }
    lookup.phase = Phase::Waiting;
    ctx_.deadlines.arm(lookup, ctx_.now + kStillWanted);
    if (got.open != nullptr) ctx_.servers->open(*got.open);
    if (got.is_starved) {
        ControlMessage message;
        message.kind = ControlMessage::Kind::Evict;
        ctx_.shared.exchange.post_control(std::move(message));
    }
}

void SecretLookups::on_grant(const Grant& grant) {
    ctx_.leasing->adopt(*grant.server);
    SecretLookup* lookup = slab_.find(grant.client.slot, grant.client.generation);
    const bool is_wanted = lookup != nullptr && lookup->phase == Phase::Waiting &&
                           lookup->Waiter::ticket == grant.ticket;
    if (!is_wanted) return ctx_.leasing->give_back(*grant.server, false);
    use(*lookup, *grant.server);
}

void SecretLookups::on_wait_failed(const Grant& grant, const Error& error) {
    SecretLookup* lookup = slab_.find(grant.client.slot, grant.client.generation);
    if (lookup == nullptr || lookup->phase != Phase::Waiting) return;
    if (lookup->Waiter::ticket != grant.ticket) return;
    if (lookup->group->members().is_routed && lookup->losses++ < kLossesMax)
        return request(*lookup, lookup->pool);
    note("auth_query: user \"" + lookup->group->key().user +
         "\" cannot log in to the server: " + error.message);
    answer(*lookup, tl::unexpected<Error>(error));
}

void SecretLookups::on_deadline(SecretLookup& lookup) {
    if (ctx_.shared.secret_flights.drop_unwanted(lookup.key)) return give_up(lookup);
    if (lookup.phase == Phase::Held) return request(lookup, nullptr);
    ctx_.deadlines.arm(lookup, ctx_.now + kStillWanted);
    const bool may_go = lookup.phase == Phase::Waiting && lookup.group->members().is_routed &&
                        lookup.pool->is_failing();
    if (may_go && lookup.pool->leave(lookup, ctx_.now)) request(lookup, lookup.pool);
}

// Its flight is no more.
void SecretLookups::give_up(SecretLookup& lookup) {
    if (lookup.phase == Phase::Waiting) lookup.pool->leave(lookup, ctx_.now);
    ServerConnection* server = lookup.server;
    release(lookup);
    // It runs what nobody wants to know: it is cancelled with its connection.
    if (server != nullptr) ctx_.servers->close(*server, "nobody waits for its auth_query");
}

void SecretLookups::release(SecretLookup& lookup) {
    if (lookup.server != nullptr) lookup.server->lookup = nullptr;
    ctx_.deadlines.disarm(lookup);
    lookup.phase = Phase::Free;
    lookup.is_prologue_failed = false;
    lookup.losses = 0;
    lookup.key = {};
    lookup.query.clear();
    lookup.group = nullptr;
    lookup.pool = nullptr;
    lookup.server = nullptr;
    lookup.result = {};
    lookup.Waiter::ticket = 0;
    slab_.give_back(lookup);
}

void SecretLookups::close_all() {
    for (uint32_t slot = 0; slot < slab_.capacity(); ++slot) {
        SecretLookup& lookup = *slab_.at(slot);
        if (lookup.phase == Phase::Waiting) lookup.pool->leave(lookup, ctx_.now);
        if (lookup.phase != Phase::Free) release(lookup);
    }
}

void SecretLookups::let_go() {
    for (uint32_t slot = 0; slot < slab_.capacity(); ++slot) {
        SecretLookup& lookup = *slab_.at(slot);
        if (lookup.phase != Phase::Free && ctx_.shared.secret_flights.drop_unwanted(lookup.key))
            give_up(lookup);
    }
}

// ---- asking ----

void SecretLookups::use(SecretLookup& lookup, ServerConnection& server) {
    lookup.Waiter::ticket = 0;
    lookup.server = &server;
    lookup.is_prologue_failed = false;
    lookup.result = {};
    server.lookup = &lookup;
    server.phase = ServerPhase::Asking;
    server.requested_at = ctx_.now;
    ctx_.deadlines.arm(lookup, ctx_.now + kStillWanted);
    if (!server.has_served) return send_query(lookup);
    lookup.phase = Phase::Discarding;
    send_simple(lookup, "DISCARD ALL");
}

void SecretLookups::send_simple(SecretLookup& lookup, std::string_view sql) {
    ServerConnection& server = *lookup.server;
    std::string text;
    write_query(text, sql);
    server.unnamed_of = {};  // a simple query drops it
    server.tracker.sent(Request::Query, Origin::Proxy);
    ctx_.servers->send(server, text);
}

// The type of $1 is left to the server, which takes the column's: with one of ours it would look
// for operators and casts, also where a user of the database may have put some.
void SecretLookups::send_query(SecretLookup& lookup) {
    ServerConnection& server = *lookup.server;
    lookup.phase = Phase::Asking;
    std::string text;
    write_untyped_parse(text, "", lookup.query);
    write_bind(text, "", lookup.key.user);
    write_describe(text, 'P', "");
    write_execute(text);
    write_empty(text, FrontendTag::Sync);
    server.unnamed_of = {};
    for (const Request request : {Request::Parse, Request::Bind, Request::DescribePortal,
                                  Request::Execute, Request::Sync}) {
        server.tracker.sent(request, Origin::Proxy);
    }
    ctx_.shared.secret_flights.depart(lookup.key);
    ctx_.servers->send(server, text);
}

void SecretLookups::on_message(ServerConnection& server, BackendTag tag, ByteView body) {
    SecretLookup& lookup = *server.lookup;
    if (lookup.phase == Phase::Asking) return lookup.result.on_message(tag, body);
    if (tag == BackendTag::ErrorResponse) lookup.is_prologue_failed = true;
}

void SecretLookups::on_ready(ServerConnection& server) {
    SecretLookup& lookup = *server.lookup;
    if (lookup.is_prologue_failed)
        return ctx_.servers->close(server, "could not be made fresh for auth_query");
    if (lookup.phase == Phase::Asking) return finish(lookup);
    if (lookup.phase == Phase::Discarding) {
        server.statements.clear();
        server.has_served = false;
        const DatabaseConfig database = server.pool->database();
        if (database.connect_query && !database.connect_query->empty()) {
            lookup.phase = Phase::Preparing;
            return send_simple(lookup, *database.connect_query);
        }
    }
    send_query(lookup);
}

void SecretLookups::finish(SecretLookup& lookup) {
    Result<UserSecret> found = lookup.result.take(lookup.key.user);
    ServerConnection& server = *lookup.server;
    server.lookup = nullptr;
    lookup.server = nullptr;
    if (server.is_clean()) {
        ctx_.leasing->give_back(server, false);
    } else {  // it has begun a transaction, say
        ctx_.servers->close(server, "auth_query left its connection in another state");
    }
    if (!found) {
        note(found.error().message + " (user \"" + lookup.key.user + "\", database \"" +
             lookup.key.database + "\")");
        found = tl::unexpected<Error>(config_error());
    }
    answer(lookup, found);
}

// A connection that was found dead is no answer.
void SecretLookups::on_lost(ServerConnection& server, std::string_view reason) {
    SecretLookup& lookup = *server.lookup;
    server.lookup = nullptr;
    lookup.server = nullptr;
    if (lookup.losses++ < kLossesMax) return hold(lookup, Duration(0));
    answer(lookup, fail("08006", std::string(reason)));
}

// ---- the answer ----

void SecretLookups::answer(SecretLookup& lookup, const Result<UserSecret>& found) {
    const SecretKey key = lookup.key;
    release(lookup);
    if (found && ctx_.config->global.auth_query_ttl.count() > 0) {
        if (found->is_known && !found->secret.empty()) {
            ctx_.shared.secret_cache.put(key, found->secret, ctx_.now);
        } else {
            ctx_.shared.secret_cache.forget(key);
        }
    }
    const SecretFlights::Landed landed = ctx_.shared.secret_flights.land(key);
    for (const LoginQuestion& question : landed.to_tell)
        tell(question, found);
    if (landed.has_next) begin_again(key);
}

void SecretLookups::tell(const LoginQuestion& question, const Result<UserSecret>& found) {
    if (question.is_over != nullptr && question.is_over->load()) return;
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::LoginAnswer;
    message.answer = std::make_shared<LoginAnswer>();
    message.answer->question = question;
    if (found) {
        message.answer->value = *found;
    } else {
        message.answer->value = found.error();
    }
    ctx_.shared.exchange.post(question.client.worker, std::move(message));
}

}  // namespace weir
