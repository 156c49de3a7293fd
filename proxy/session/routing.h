// Routing: sends each transaction of a routed database to one of its backends, holds it while none
// can serve it, and sends those who wait elsewhere when something has changed. The rules are in
// proxy/routing/route.h; this carries them out for the sessions of one worker.
//
// A session whose transaction nobody can serve is *held*: it waits in no pool's queue, looks again
// whenever routes change and ten times a second, and after breaker_hold is told so: with an ERROR
// that leaves the session as it is, or at login with a FATAL that sends clients of several hosts to
// the next. Once the hold has passed in vain, others are told at once. So is, after the hold, who
// waits in the queue of a backend that has no connection and takes no log-in.
// Owner: Worker. Thread: the worker's.
#pragma once

#include "proxy/routing/retry_budget.h"
#include "proxy/session/context.h"

namespace weir {

class Routing {
  public:
    explicit Routing(WorkerContext& context)
        : ctx_(context), random_(0x9e3779b97f4a7c15ULL * (context.id + 1U)) {}

    // A new transaction begins: chooses its backend, so that session.pool is where to ask for a
    // connection. False: nobody can serve it now, hold() it.
    bool choose(ClientSession& session) {
        const PoolMembers& members = session.group->members();
        if (members.is_routed) {
            budget_.on_request();
            return choose_among(session, members, nullptr);
        }
        session.pool = members.list.front().pool;
        return true;
    }
    void hold(ClientSession& session);
    // No longer held, if it was.
    void let_go(ClientSession& session) {
        if (session.HeldHook::is_linked()) held_.remove(session);
    }

    // What a login is told at once: nobody could serve such a session all through breaker_hold, and
    // nobody can now. Clients that know other hosts go on to the next (57P03).
    [[nodiscard]] std::optional<Error> refusal(const ClientSession& session);

    // What a login is told that would wait for a pool which is pausing, when every backend that may
    // serve it has refused what we log in with (28...), or the database (3D000): that is no outage.
    [[nodiscard]] std::optional<Error> refused_everywhere(const ClientSession& session) const;

    // The pool that the session waited in gives up on it. True = it was sent elsewhere, or waits
    // on.
    bool on_wait_failed(ClientSession& session);
    // The session's transaction begins on that connection: it is counted, if it was routed.
    void note_begun(const ClientSession& session, const ServerConnection& server) {
        if (server.pool->endpoint() != nullptr) count_begun(session, *server.pool->endpoint());
    }
    // Whether the connection that the session waited for leads to a backend that may still serve
    // it.
    [[nodiscard]] bool still_serves(const ClientSession& session,
                                    const ServerConnection& server) const;
    // It does not: look for another.
    void reroute(ClientSession& session);

    // The session's transaction, or its wait for one, is over: what it took on its way is given
    // back.
    void settle(ClientSession& session) {
        if (session.is_spilled || !session.trial_taken_at.is_never()) give_back(session);
    }

    // States or roles of backends have changed.
    void on_routes_changed();
    // At the end of an event: those who are held look again, if there is room for them now.
    void look_after_held();
    // True when the session's wait is Routing's business and has been looked after.
    bool on_deadline(ClientSession& session);
    // When to look after it again; never = it is none of ours.
    [[nodiscard]] Instant next_look(const ClientSession& session) const;

  private:
    bool choose_among(ClientSession& session, const PoolMembers& members, const Pool* excluded);
    void take(ClientSession& session, const PoolMember& member, bool is_spill);
    void ask_again(ClientSession& session, const Pool* excluded);
    void note(const ClientSession& session, RouteEvent event);
    void count_begun(const ClientSession& session, const Endpoint& endpoint);
    void give_back(ClientSession& session);
    void reject(ClientSession& session);
    void forget_outages();

    static constexpr Duration kLookAgain = std::chrono::milliseconds(100);
    // After the hold, in a queue: as seldom as a crowd of thousands can be looked after.
    static constexpr Duration kLookAtFailing = std::chrono::seconds(1);
    static constexpr int kReroutesMax = 2;
    static constexpr int kVainLooksMax = 8;  // of held sessions, each time there is room

    WorkerContext& ctx_;
    Prng random_;
    RetryBudget budget_;
    IntrusiveList<ClientSession, HeldHook> held_;  // in the order of their coming
    bool has_room_come_free_ = false;
};

}  // namespace weir
