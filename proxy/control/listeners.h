// Listeners: the listening sockets of the process and the files of the Unix ones. Workers accept
// from them. How TCP ones end: see Listener. Owner: ControlContext. Thread: control.
#pragma once

#include <string>
#include <vector>

#include "conf/config.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"
#include "proxy/inspector.h"
#include "proxy/net/listener.h"

namespace weir {

class Listeners {
  public:
    Listeners() = default;
    ~Listeners() { close(); }
    Listeners(const Listeners&) = delete;
    Listeners& operator=(const Listeners&) = delete;

    // Opens what listen_addr and unix_socket_dir name. A TCP address that cannot be had is a
    // warning as long as another can; a Unix socket must be had. The error says what failed.
    Status open(const GlobalConfig& global) { return open(global, {}); }
    // The same with sockets that another process hands over: one that listens where we are to is
    // used instead of a new one, so that nobody who connects meanwhile is refused. The others are
    // left until close_obsolete().
    Status open(const GlobalConfig& global, std::vector<int> handed);
    void close_obsolete();
    // A socket that somebody else has bound and listens on already, to be used beside or in place
    // of those of open(). Its file, if it has one, stays. Error when it is no such socket.
    Status adopt(int fd);
    // Error when there is none.
    [[nodiscard]] Status check() const;
    [[nodiscard]] const std::vector<ListenerPtr>& all() const { return all_; }
    // What of a new configuration concerns sockets that listen already.
    void configure(const GlobalConfig& global);

    // The TCP sockets are to close: at once, or, when other processes listen on the same port,
    // after what came to us has been accepted. on_tick() says when. `serves_late`: who comes
    // meanwhile is served.
    void begin_closing_tcp(Instant now, bool shares_port, bool serves_late);
    // True once: the workers are to let the TCP sockets go, as have we.
    [[nodiscard]] bool on_tick(Instant now);
    // Until the last worker has let them go.
    [[nodiscard]] bool is_closing_tcp() const;

    // Lets all go and removes their files.
    void close();
    // As SHOW FDS lists them.
    [[nodiscard]] std::vector<Inspector::ListeningSocket> rows() const;
    // The same when another process goes on with them: the files stay.
    void let_go();

  private:
    void drop_syns(Instant now);
    [[nodiscard]] bool is_drained(Instant now);
    template <typename Fn>
    void for_each_tcp(Fn fn) {
        for (const ListenerPtr& listener : all_) {
            if (!listener->is_unix()) fn(*listener);
        }
    }

    // With TCP_DEFER_ACCEPT the kernel does not tell of a client that has said nothing yet, and
    // closing the socket would reset it. Without it the kernel asks such a client again one second
    // after its SYN (tcp(7), TCP_TIMEOUT_INIT), and its handshake completes.
    static constexpr Duration kDeferredMax = std::chrono::milliseconds(1200);
    // A handshake in flight has this long to complete. Below one second, after which those whose
    // SYN was dropped ask again.
    static constexpr Duration kHandshakeMax = std::chrono::milliseconds(500);

    std::vector<ListenerPtr> all_;
    uint16_t port_ = 0;          // in the names of the files
    std::vector<int> obsolete_;  // of another process, where we are not to listen
    std::vector<std::string> files_;
    std::vector<std::weak_ptr<Listener>> leaving_;  // the workers may look at them still
    bool is_closing_ = false;                       // its TCP sockets; not when they are let go
    Instant drops_from_;  // no SYN is taken from then on; never: nobody shares the port
    Instant dropped_at_;
};

}  // namespace weir
