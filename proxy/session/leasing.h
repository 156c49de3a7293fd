// Leasing: how a session gets a server connection and how the connection goes back. Carries out the
// verdicts of the pools. Owner: Worker. Thread: the worker's.
#pragma once

#include "proxy/session/context.h"

namespace weir {

class Leasing {
  public:
    explicit Leasing(WorkerContext& context) : ctx_(context) {}

    // Asks the session's pool for a server. True = linked and ready for the client's bytes. False =
    // the session waits (for its turn, or for its settings to be applied), or has been closed.
    bool request(ClientSession& session);
    // The same when its backend has been chosen already, and it may have waited before.
    bool ask(ClientSession& session);

    // A server for one of our waiters, or the news that it will not get one.
    void on_grant(const Grant& grant);
    void on_wait_failed(const Grant& grant, const Error& error);

    // The client is done with its clean server.
    void release_from(ClientSession& session);
    // The client is gone or has to go: its server is cleaned up and given back, or closed.
    void orphan(ClientSession& session);
    // Waits no longer, if it did.
    void leave_queue(ClientSession& session);

    // A clean connection that we own goes to the next waiter or becomes idle.
    void give_back(ServerConnection& server, bool is_new);
    // Its socket is ours from now on.
    void adopt(ServerConnection& server);
    // Delivers a grant to its worker, be it this one.
    void deliver(const Grant& grant);

    // Joins the two. True = the client's bytes may go to the server; else on_prologue_done().
    bool link(ClientSession& session, ServerConnection& server, Instant waiting_since);
    // The check query or the settings of a linked server are done: the client's bytes may go on.
    void on_prologue_done(ServerConnection& server);

  private:
    bool send_prologue(ClientSession& session, ServerConnection& server);
    void tell_new_welcome(ClientSession& session, const ServerConnection& server);
    // What its pool's log-ins have failed with is known: it need not wait for that.
    void refuse(ClientSession& session, const Error& known);
    void evict(ServerConnection& server, uint64_t id);
    void finish_login(ClientSession& session, ServerConnection& server);
    void begin_cleaning(ServerConnection& server);
    // The connection that the session waited for is there, and will not do any more.
    void decline(ClientSession& session, ServerConnection& server);

    WorkerContext& ctx_;
};

}  // namespace weir
