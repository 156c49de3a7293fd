#include "proxy/session/routing.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "proxy/pool/refusals.h"
#include "proxy/pool/route_survey.h"
#include "proxy/session/clients.h"
#include "proxy/session/leasing.h"
#include "proxy/session/relay/relay.h"

namespace weir {

namespace {

bool is_waiting(const ClientSession& session) {
    return session.phase == ClientPhase::Waiting || session.phase == ClientPhase::LoginWait;
}

// It waits in the queue of one of several backends.
bool is_queued_at_a_backend(const ClientSession& session) {
    return session.pool != nullptr && session.pool->endpoint() != nullptr;
}

size_t kind_of(const ClientSession& session) {
    return static_cast<size_t>(session.wanted);
}

bool wants_primary(const ClientSession& session) {
    return session.wanted == TargetSessionAttrs::ReadWrite ||
           session.wanted == TargetSessionAttrs::Primary;
}

// It refuses what we log in with, or knows no such database: no outage, and time does not mend it.
bool is_lasting(const Error& error) {
    return error.sqlstate.starts_with("28") || error.sqlstate == "3D000";
}

std::string no_backend(const ClientSession& session, Duration waited) {
    std::string text = fmt::format(
        "no healthy backend for {} of database \"{}\" ({:.1f} s; breaker_hold)",
        describe(session.wanted), session.database, static_cast<double>(waited.count()) / 1e6);
    return with_cause(std::move(text), session.group->members());
}

}  // namespace

// ---- the choice ----

bool Routing::choose_among(ClientSession& session, const PoolMembers& members,
                           const Pool* excluded) {
    RouteView& view = members.views[ctx_.id];
    const RouteWish wish{session.wanted, session.required_lsn, excluded};
    const RouteRequest request =
        survey(members, wish, ctx_.id, ctx_.now, view.places, view.candidates);
    // First those that need a trial to come back: with their low score nobody would choose them.
    for (size_t i = 0; i < members.list.size(); ++i) {
        if (!is_trial_due(view.places[i], view.candidates[i].weight, session.wanted)) continue;
        const auto ticket = members.list[i].pool->endpoint()->try_take_trial(ctx_.now);
        if (!ticket) continue;
        session.trial_taken_at = ticket->taken_at;
        take(session, members.list[i], false);
        return true;
    }
    if (!mark_best(view.places, request, view.candidates)) return false;
    const auto chosen = view.selector.select(view.candidates, random_);
    if (!chosen) return false;
    const bool is_spill = session.wanted == TargetSessionAttrs::ReadOnly &&
                          view.places[*chosen].verdict.role == Role::Primary;
    take(session, members.list[*chosen], is_spill);
    return true;
}

void Routing::take(ClientSession& session, const PoolMember& member, bool is_spill) {
    session.pool = member.pool;
    session.group->note_served(kind_of(session));
    if (!is_spill) return;
    session.is_spilled = true;
    member.pool->spilled.fetch_add(1, std::memory_order_relaxed);
}

void Routing::give_back(ClientSession& session) {
    if (session.is_spilled) {
        session.is_spilled = false;
        session.pool->spilled.fetch_sub(1, std::memory_order_relaxed);
        has_room_come_free_ = !held_.empty();
    }
    if (!session.trial_taken_at.is_never()) {
        session.pool->endpoint()->report_trial({session.trial_taken_at}, Outcome::ClientCancel,
                                               ctx_.now);
        session.trial_taken_at = {};
    }
}

// ---- what is counted ----

void Routing::note(const ClientSession& session, RouteEvent event) {
    session.group->route_counters(ctx_.id).note(event);
}

void Routing::count_begun(const ClientSession& session, const Endpoint& endpoint) {
    session.group->route_counters(ctx_.id).sent(session.reason, target_of(endpoint.verdict().role));
    if (session.is_spilled) note(session, RouteEvent::Spilled);
    if (!session.trial_taken_at.is_never()) note(session, RouteEvent::Trial);
}

// ---- held ----

void Routing::hold(ClientSession& session) {
    session.phase = session.login != nullptr ? ClientPhase::LoginWait : ClientPhase::Waiting;
    session.Waiter::ticket = 0;
    session.group->note_unserved(kind_of(session), ctx_.now);
    if (!session.HeldHook::is_linked()) {
        held_.push_back(session);
        note(session, RouteEvent::Held);
    }
    ctx_.clients->arm(session);
}

void Routing::ask_again(ClientSession& session, const Pool* excluded) {
    const PoolMembers& members = session.group->members();
    const bool is_chosen =
        members.is_routed ? choose_among(session, members, excluded) : choose(session);
    if (!is_chosen) return hold(session);
    if (session.HeldHook::is_linked()) note(session, RouteEvent::Released);
    let_go(session);
    if (ctx_.leasing->ask(session)) ctx_.clients->schedule(session);
}

void Routing::look_after_held() {
    if (!has_room_come_free_) return;
    has_room_come_free_ = false;
    int vain = 0;
    ClientSession* next = nullptr;
    for (ClientSession* session = held_.front(); session != nullptr && vain < kVainLooksMax;
         session = next) {
        next = held_.next(*session);
        ask_again(*session, nullptr);
        if (session->HeldHook::is_linked()) ++vain;
    }
}

bool Routing::on_wait_failed(ClientSession& session) {
    const PoolMembers& members = session.group->members();
    if (!members.is_routed && !session.pool->is_removed()) return false;
    settle(session);
    if (refused_everywhere(session)) return false;
    const bool may_retry = session.reroutes < kReroutesMax && budget_.try_take();
    if (may_retry) ++session.reroutes;
    if (may_retry && members.is_routed && choose_among(session, members, session.pool)) {
        note(session, RouteEvent::Rerouted);
        if (ctx_.leasing->ask(session)) ctx_.clients->schedule(session);
    } else {
        ask_again(session, nullptr);
    }
    return true;
}

std::optional<Error> Routing::refusal(const ClientSession& session) {
    const PoolMembers& members = session.group->members();
    const Instant since = session.group->unserved_since(kind_of(session));
    if (!members.is_routed || since.is_never()) return std::nullopt;
    if (ctx_.now - since < ctx_.config->global.breaker_hold) return std::nullopt;
    const bool is_served =
        std::any_of(members.list.begin(), members.list.end(), [&session](const PoolMember& member) {
            return may_serve(member.pool->endpoint()->verdict(), session.wanted);
        });
    if (is_served) return std::nullopt;
    note(session, RouteEvent::Rejected);
    return Error("57P03", no_backend(session, ctx_.now - since));
}

std::optional<Error> Routing::refused_everywhere(const ClientSession& session) const {
    if (session.login == nullptr) return std::nullopt;  // each transaction asks, few are logins
    const PoolMembers& members = session.group->members();
    if (!members.is_routed || !session.pool->is_backing_off(ctx_.now)) return std::nullopt;
    std::optional<Error> error;
    for (const PoolMember& member : members.list) {
        if (!may_serve(member.pool->endpoint()->verdict(), session.wanted)) continue;
        error = member.pool->why_unreachable();
        if (!error || !is_lasting(*error)) return std::nullopt;
    }
    return error;
}

// ---- what has changed meanwhile ----

bool Routing::still_serves(const ClientSession& session, const ServerConnection& server) const {
    const Endpoint* endpoint = server.pool->endpoint();
    if (endpoint == nullptr) return true;
    if (wants_primary(session) && server.is_hot_standby) return false;
    if (!session.trial_taken_at.is_never()) return true;
    return may_serve(endpoint->verdict(), session.wanted);
}

void Routing::reroute(ClientSession& session) {
    settle(session);
    note(session, RouteEvent::Rerouted);
    // The connection says one thing and the verdict another: wait for the verdict.
    if (may_serve(session.pool->endpoint()->verdict(), session.wanted)) return hold(session);
    ask_again(session, nullptr);
}

void Routing::on_routes_changed() {
    forget_outages();
    for (uint32_t slot = 0; slot < ctx_.clients_slab.capacity(); ++slot) {
        ClientSession& session = *ctx_.clients_slab.at(slot);
        if (!is_waiting(session) || session.group == nullptr) continue;
        if (session.HeldHook::is_linked()) {
            ask_again(session, nullptr);
            continue;
        }
        const Endpoint* endpoint = session.pool->endpoint();
        if (endpoint == nullptr || !session.trial_taken_at.is_never()) continue;
        const EndpointVerdict verdict = endpoint->verdict();
        const bool stays = may_serve(verdict, session.wanted) && !is_sick(verdict);
        if (stays && !verdict.is_connect_open) continue;
        if (!session.pool->leave(session, ctx_.now)) continue;  // its connection is on the way
        settle(session);
        note(session, RouteEvent::Rerouted);
        ask_again(session, nullptr);
    }
}

// An outage that has ended while nobody asked must not count for the next one.
void Routing::forget_outages() {
    ctx_.shared.pools.for_each_group([](PoolGroup& group) {
        const PoolMembers& members = group.members();
        if (!members.is_routed) return;
        for (size_t kind = 0; kind < PoolGroup::kKinds; ++kind) {
            if (group.unserved_since(kind).is_never()) continue;
            const bool is_served = std::any_of(
                members.list.begin(), members.list.end(), [kind](const PoolMember& member) {
                    return may_serve(member.pool->endpoint()->verdict(),
                                     static_cast<TargetSessionAttrs>(kind));
                });
            if (is_served) group.note_served(kind);
        }
    });
}

// ---- time ----

Instant Routing::next_look(const ClientSession& session) const {
    const Instant end = session.requested_at + ctx_.config->global.breaker_hold;
    if (session.HeldHook::is_linked())
        return std::min(ctx_.now + kLookAgain, std::max(end, ctx_.now));
    if (!is_queued_at_a_backend(session)) return {};
    if (ctx_.now < end) return end;
    return session.pool->is_failing() ? ctx_.now + kLookAtFailing : Instant{};
}

bool Routing::on_deadline(ClientSession& session) {
    if (!is_waiting(session)) return false;
    const Duration most = ctx_.config->global.breaker_hold;
    if (session.HeldHook::is_linked()) {
        ask_again(session, nullptr);
        if (!session.HeldHook::is_linked()) return true;
        const Instant outage = session.group->unserved_since(kind_of(session));
        const Instant from =
            outage.is_never() ? session.requested_at : std::min(outage, session.requested_at);
        if (ctx_.now - from >= most) reject(session);
        return true;
    }
    if (ctx_.now - session.requested_at < most) return false;
    // With a connection left it is a matter of time: who waits for one is not sent away.
    if (!is_queued_at_a_backend(session) || !session.pool->is_unreachable()) return false;
    if (session.pool->leave(session, ctx_.now)) reject(session);
    return true;
}

// Fails fast: the server side is down, and waiting longer would not help.
void Routing::reject(ClientSession& session) {
    let_go(session);
    settle(session);
    session.Waiter::ticket = 0;
    note(session, RouteEvent::Rejected);
    const std::string text = no_backend(session, ctx_.now - session.requested_at);
    if (session.phase == ClientPhase::LoginWait)
        return ctx_.clients->fail(session, Error("57P03", text));
    ctx_.relay->reject_request(session, Error("53000", text));
}

}  // namespace weir
