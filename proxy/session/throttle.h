// Throttle: where the rate limits are asked (limits/ decides): when a connection comes, when it
// says who it is, and when a session without a server sends something. Never between these: inside
// a transaction, a COPY or a pipeline the server is held already, and refusing would only hold it
// longer. A session that has to wait is Throttled: it has no server, what it sends waits as for any
// that waits, and the worker's deadlines wake it. Owner: Worker. Thread: the worker's.
#pragma once

#include <string_view>

#include "proxy/session/context.h"

namespace weir {

// As limits know it; none for the Unix socket.
[[nodiscard]] AddressBytes address_of(const PeerAddress& peer);

class Throttle {
  public:
    explicit Throttle(WorkerContext& context);

    // May this connection stay? If not, it is to be closed before any byte. The Unix socket always
    // may, so that an administrator gets in.
    [[nodiscard]] bool may_connect(const Address& peer) const;

    // May this session, whose user and database are known, log in? Else a FATAL 53300.
    [[nodiscard]] Status may_log_in(const ClientSession& session,
                                    std::string_view application_name) const;

    // Finds the limits of a session that has logged in.
    void concern(ClientSession& session, std::string_view application_name) const;

    // The limits have been configured anew; concern() follows for each session.
    void on_config();
    // The same for one session, by the application name that it has now; one that waits asks again.
    void on_config(ClientSession& session) const;

    // The session's transaction has to wait until `at`.
    void park(ClientSession& session, Instant at) const;
    // Its deadline has passed: it asks again when it is time.
    void on_deadline(ClientSession& session) const;

    // The session gives up its server, or its wait for one: units go back, bytes are charged.
    static void end(ClientSession& session, Instant now) {
        if (session.limits != nullptr) session.limits->end(now);
    }

  private:
    [[nodiscard]] static RateSubject subject_of(const ClientSession& session,
                                                std::string_view application_name);

    WorkerContext& ctx_;
    RateRulesPtr rules_;
};

}  // namespace weir
