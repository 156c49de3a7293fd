// Servers: the server connections that one worker owns: connecting and logging in
// (servers_connecting.cpp, servers_tls.cpp), their sockets' events and their end (servers.cpp),
// cleaning up after a client that is gone (servers_cleaning.cpp). Owner: Worker. Thread: the
// worker's.
#pragma once

#include <optional>

#include "proxy/server/server_login.h"
#include "proxy/session/context.h"
#include "proxy/session/farewell.h"

namespace weir {

class Servers {
  public:
    explicit Servers(WorkerContext& context) : ctx_(context) {}

    // Starts to connect a reserved slot, here or on the worker that it is reserved for.
    void open(ServerConnection& server);
    // Names that were asked for are known now.
    void on_resolved();

    void on_event(ServerConnection& server, const IoEvent& event);
    // What epoll is to say of its socket.
    static Watch watch_of(const ServerConnection& server);
    void on_deadline(ServerConnection& server);

    // Ends the connection, see Farewell. Its client, if any, is told (unless the server did) and
    // closed. `failure`: why it never came up.
    void close(ServerConnection& server, std::string_view reason,
               const std::optional<Error>& failure = std::nullopt);

    // The control thread has taken it out of idle, to be closed; `id` is that of the connection
    // meant.
    void on_close_request(ServerConnection& server, uint64_t id, std::string_view reason);

    // Goes on with the clean-up of a connection without a client, as far as it can without waiting.
    void clean(ServerConnection& server);
    // A cancel request for it has ended.
    void on_cancel_done(ServerConnection& server);

    // Sends `text`, or what ctx.to_server gathered, now or behind the batch of events (see
    // HeldSends). False = the connection broke and has been closed.
    bool send(ServerConnection& server, std::string_view text);
    bool flush(ServerConnection& server);
    // It did not all go out (HeldSends::take_cut_short).
    void on_cut_short(ServerConnection& server, uint16_t generation);
    void set_interest(ServerConnection& server, bool read, bool write);
    // A server that stops in the middle of a message that nobody asked for is not waited for long.
    void watch_stall(ServerConnection& server);
    void close_all();
    // Another process goes on with the servers (proxy/takeover): nobody waits for an address.
    void let_go(ServerConnection& server) { std::erase(unresolved_, &server); }

  private:
    [[nodiscard]] StartupExtras extras(const ServerConnection& server) const;
    void connect(ServerConnection& server);
    void connect_to(ServerConnection& server, const Address& address);
    void on_connected(ServerConnection& server);
    void log_connected(const ServerConnection& server) const;
    void start_login(ServerConnection& server);
    // In servers_tls.cpp.
    void take_step(ServerConnection& server, TlsAttempt::Step step);
    void start_tls(ServerConnection& server);
    void on_secure_event(ServerConnection& server);
    void on_tls_answer(ServerConnection& server);
    void shake_hands(ServerConnection& server);
    void count_closing(const ServerConnection& server, std::string_view reason,
                       const std::optional<Error>& failure);
    void connect_again(ServerConnection& server);
    bool connect_otherwise(ServerConnection& server, const Error& refusal);
    void note_tls_session(ServerConnection& server);
    void note_unread(ServerConnection& server);
    void on_nothing_to_read(ServerConnection& server);
    // `until_empty`: a receive that gives less than it could is not the last, see IoEvent::ended.
    void read(ServerConnection& server, bool until_empty);
    bool on_login_bytes(ServerConnection& server, ByteView input);
    void on_logged_in(ServerConnection& server);
    void write(ServerConnection& server);
    [[nodiscard]] static bool is_stalled(const ServerConnection& server);
    void start_query(ServerConnection& server, std::string_view sql);

    static constexpr Duration kStallMax = std::chrono::seconds(1);
    static constexpr Duration kCancelGrace = std::chrono::milliseconds(40);

    WorkerContext& ctx_;
    Farewell farewell_{ctx_};
    std::vector<ServerConnection*> unresolved_;  // wait for the address of their host
};

}  // namespace weir
