// Clients: the client sessions of one worker, from accept to close: reading and writing their
// sockets (clients.cpp), their time limits (clients_timeouts.cpp), their end and how they are told
// that something went wrong (clients_closing.cpp). Owner: Worker. Thread: the worker's.
#pragma once

#include <string>

#include "proxy/session/context.h"

namespace weir {

class Clients {
  public:
    explicit Clients(WorkerContext& context) : ctx_(context) {}

    // A new connection; takes over the descriptor.
    void accept(int fd, const Address& peer);
    void on_event(ClientSession& session, const IoEvent& event);
    void on_deadline(ClientSession& session);
    static Watch watch_of(const ClientSession& session);

    // To what a login has asked; if it has ended meanwhile, nothing happens.
    void on_login_answer(LoginAnswer& answer);

    // Input that was held back may go on: handled after the current event.
    void schedule(ClientSession& session);
    void run_scheduled();

    // Ends the session: tells the client `error` as FATAL (PgBouncer's habit) when given, logs
    // `reason`, if that is not empty. Its server is given back or cleaned. The session is closed
    // when this returns, or closing.
    void close(ClientSession& session, std::string_view reason);
    void fail(ClientSession& session, const Error& error);
    // A message that breaks the protocol: FATAL 08P01, counted.
    void protocol_violation(ClientSession& session, std::string_view what);

    // The client begins a handshake now; there is a context for it.
    void accept_tls(ClientSession& session, bool is_direct);

    // Sends `text` behind what is still to be sent.
    void send(ClientSession& session, std::string_view text);
    // What the console says to this client (WorkerMessage::ConsoleReply), and maybe its end.
    void reply_console(ClientSession& session, WorkerMessage& reply);
    // Sends what ctx.to_client gathered, now or behind the batch of events (see HeldSends).
    void flush(ClientSession& session);
    // It did not all go out (HeldSends::take_cut_short).
    void on_cut_short(ClientSession& session, uint16_t generation);

    void set_interest(ClientSession& session, bool read, bool write);
    // Looks at the limits that apply in the session's phase and arms its deadline.
    void arm(ClientSession& session);
    // Reads a session's limits from the configuration (at login and after a reload).
    void refresh_timeouts(ClientSession& session);
    // The login is over; the object may still be on the stack, so it goes at the end of the event.
    void retire_login(ClientSession& session);
    void close_all(std::string_view reason);

    // ---- hand-over to another process (proxy/takeover) ----

    // The session ends for us, without a word, and its connection goes on: its descriptor, which is
    // the caller's now.
    [[nodiscard]] int detach(ClientSession& session);
    // The same for one that another process goes on with: our copy of the descriptor is closed.
    void let_go(ClientSession& session);

  private:
    // `until_empty`: a receive that gives less than it could is not the last, see IoEvent::ended.
    void read(ClientSession& session, bool until_empty);
    bool look_at_first_byte(ClientSession& session);
    void on_nothing_read(ClientSession& session, ssize_t result);
    void fail_tls(ClientSession& session);
    void use_input(ClientSession& session, ByteView input);
    void hold_more(ClientSession& session, bool until_empty);
    void write(ClientSession& session);
    int flush_outbox(ClientSession& session);
    void free(ClientSession& session);
    void linger(ClientSession& session);
    void note_unread(ClientSession& session);
    void forget(ClientSession& session);
    void release_units(ClientSession& session);
    void log_closing(const ClientSession& session, std::string_view reason);
    // What it sends is for its login.
    [[nodiscard]] static bool is_logging_in(const ClientSession& session) {
        return session.phase == ClientPhase::Startup ||
               session.phase == ClientPhase::Authenticating;
    }
    [[nodiscard]] std::optional<Error> overdue(const ClientSession& session, Instant* next) const;
    bool reject_overdue_wait(ClientSession& session);
    [[nodiscard]] Instant tell_wait_at(const ClientSession& session) const;
    void tell_wait(ClientSession& session);

    // A client whose server is busy may send this much ahead before we stop reading it.
    static constexpr size_t kHeldBytesMax = 64 * 1024;

    WorkerContext& ctx_;
};

}  // namespace weir
