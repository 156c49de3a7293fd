// SimNet: TCP in memory. A Link is one connection between the proxy (a descriptor, used through
// SimIo) and a peer (a fake client or backend, which holds the Link). Bytes fly for a while before
// they arrive; a reset overtakes them. SimIo: one worker's epoll set over such descriptors.
// Thread: one.
#pragma once

#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "protocol/base/clock.h"
#include "protocol/base/random.h"
#include "proxy/runtime/io.h"
#include "tests/support/sim_trace.h"

namespace weir::sim {

class SimClock final : public Clock {
  public:
    Instant now() override { return now_; }
    int64_t wall_us(Instant at) override { return at.us; }
    void advance(int64_t us) { now_.us += us; }

  private:
    Instant now_{1'000'000'000};
};

struct Link {
    enum class State : uint8_t { Connecting, Up, Refused };

    int id = 0;
    int fd = -1;     // the proxy's end; -1 = it has closed it
    int copies = 1;  // descriptors of it
    uint16_t port = 0;
    bool is_outgoing = false;  // the proxy connected
    State state = State::Up;
    std::string to_proxy_flight, to_proxy;  // under way, arrived
    std::string to_peer_flight, to_peer;
    size_t bytes_arrived = 0;
    size_t to_proxy_max = 65536;
    size_t to_peer_max = 65536;
    bool has_peer_fin = false;  // behind the last byte in flight
    bool is_peer_closed = false;
    bool is_reset = false;       // by the peer, seen by the proxy
    bool is_error_told = false;  // a receive or send has reported the reset
    bool has_proxy_fin = false;  // shut down or closed
    bool is_proxy_closed = false;

    // ---- the peer's side ----
    // Takes what fits of `out`.
    void peer_send(std::string& out);
    void peer_finish() { has_peer_fin = true; }
    void peer_close();
    void peer_reset();
    // The proxy has ended the stream and every byte before that was read.
    [[nodiscard]] bool is_over_for_peer() const {
        return has_proxy_fin && to_peer.empty() && to_peer_flight.empty();
    }
    // Moves some bytes that are under way; true when there were any.
    bool fly(Prng& random, bool is_calm);
    // ---- the proxy's side ----
    struct Arrivals {
        size_t bytes = 0;  // ever
        bool is_ended = false, is_broken = false;
        bool operator==(const Arrivals&) const = default;
    };
    [[nodiscard]] Arrivals arrivals() const { return {bytes_arrived, is_ended(), is_broken()}; }
    [[nodiscard]] bool is_ended() const {
        return is_reset || (has_peer_fin && to_proxy_flight.empty());
    }
    [[nodiscard]] bool is_readable() const;
    [[nodiscard]] bool is_writable() const;
    [[nodiscard]] bool is_broken() const;
};
using LinkPtr = std::shared_ptr<Link>;

struct Faults {
    unsigned short_io = 0;    // percent of receives and sends cut short
    unsigned again = 0;       // percent that answer EAGAIN
    unsigned no_connect = 0;  // percent of connects that fail at once
    size_t buffer_min = 65536, buffer_max = 65536;
    bool is_fd_reused = true;  // a closed descriptor's number is the next to be used
};

class SimIo;

class SimNet {
  public:
    SimNet(Prng& a_random, SimTrace& a_trace, const Faults& some_faults)
        : faults(some_faults), random(a_random), trace(a_trace) {}

    LinkPtr make(bool is_outgoing, uint16_t port);
    // Another descriptor of the same connection, as a process gets that it is sent to.
    int dup(int fd);
    // Null, and a failure, when it is not open.
    Link* at(int fd, const char* what);
    void close(int fd);
    [[nodiscard]] size_t open_fds() const { return open_fds_; }
    // Outgoing connections that no backend has seen yet.
    std::vector<LinkPtr> incoming;

    Faults faults;
    Prng& random;
    SimTrace& trace;
    std::vector<SimIo*> sets;

  private:
    static constexpr int kFirstFd = 1000;
    std::vector<LinkPtr> by_fd_;
    std::vector<int> free_fds_;
    size_t open_fds_ = 0;
    int last_id_ = 0;
};

class SimIo final : public Io {
  public:
    explicit SimIo(SimNet& net) : net_(net) { net.sets.push_back(this); }
    ~SimIo() override;
    SimIo(const SimIo&) = delete;
    SimIo& operator=(const SimIo&) = delete;

    void add(int fd, Watch watch, Interest interest) override;
    void modify(int fd, Watch watch, Interest interest) override;
    void remove(int fd) override { watched_.erase(fd); }
    ssize_t receive(int fd, std::span<uint8_t> into) override;
    ssize_t peek(int, std::span<uint8_t>) override { return -EAGAIN; }  // for TLS only
    ssize_t send(int fd, std::span<const iovec> pieces) override;
    Result<int> connect(const Address& address) override;
    int connect_result(int fd) override;
    Address local_address(int) override { return *Address::from_ip("10.9.9.9", 1); }
    bool is_same_user(int) override { return false; }
    int peer_pid(int) override { return 0; }
    std::optional<uint32_t> peer_uid(int) override { return 1234; }
    bool is_peer_gone(int fd) override;
    size_t unsent_bytes(int fd) override;
    void shutdown_send(int fd) override;
    void close(int fd) override { net_.close(fd); }

    // The ready events of up to `max` descriptors, in an order of chance.
    void fetch(std::vector<IoEvent>& out, size_t max);
    [[nodiscard]] bool is_watching(int fd) const { return watched_.contains(fd); }

  private:
    struct Watched {
        Watch watch;
        Interest interest;
        std::optional<Link::Arrivals> told;  // what it has been told of, if `once`
    };
    // What is left looks to the proxy as if it arrived only now.
    void tell_again(int fd);
    SimNet& net_;
    std::map<int, Watched> watched_;
};

}  // namespace weir::sim
