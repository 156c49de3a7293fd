// The bare epoll forwarder: the least that any proxy on sockets must do, and so the floor that
// Weir is measured against. For each client it opens a connection of its own to the backend and
// moves bytes both ways: one recv and one send per direction, no parsing, no pooling, no
// allocation while things flow. Both sockets are registered once, level-triggered; epoll_ctl is
// called only when a socket's buffer is full, or at the end of a stream.
// Thread: a Forwarder and its pairs belong to one thread for life.

#include <memory>
#include <thread>
#include <vector>

#include "bench/load/arguments.h"
#include "bench/load/net.h"

namespace weir::bench {
namespace {

constexpr std::string_view kUsage =
    "usage: weir-forwarder --port N --backend-port N [--backend-host 127.0.0.1] [--threads 1]\n";

struct Pair;

// One socket of a pair. `unsent` is what its own socket would not take yet.
struct Side {
    Pair* pair = nullptr;
    Side* other = nullptr;
    Fd fd;
    uint32_t armed = EPOLLIN;
    bool read_ended = false;
    std::string unsent;
};

struct Pair {
    Side client;
    Side server;
    bool closed = false;
};

class Forwarder {
  public:
    explicit Forwarder(sockaddr_in backend) : backend_(backend), block_(256 * 1024) {}

    Hub& hub() { return hub_; }
    [[noreturn]] void run() { hub_.run(*this); }

    void on_accepted(int client_fd) {
        Fd client(client_fd);
        Fd server(start_connect(backend_));
        if (server.get() < 0) return;
        auto* pair = new Pair;
        pair->client = {pair, &pair->server, std::move(client), EPOLLIN, false, {}};
        pair->server = {pair, &pair->client, std::move(server), EPOLLIN, false, {}};
        hub_.epoll().add(pair->client.fd.get(), EPOLLIN, &pair->client);
        hub_.epoll().add(pair->server.fd.get(), EPOLLIN, &pair->server);
    }

    void on_event(void* owner, uint32_t events) {
        Side& side = *static_cast<Side*>(owner);
        if (side.pair->closed) return;  // The pair's other half closed it earlier in this batch.
        if ((events & EPOLLOUT) != 0) send_unsent(side);
        if (side.pair->closed) return;
        if ((events & EPOLLIN) != 0) {
            forward(side);
        } else if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
            close(*side.pair);
        }
    }

    void on_batch_end() { dead_.clear(); }

  private:
    void forward(Side& from) {
        const ssize_t got = ::recv(from.fd.get(), block_.data(), block_.size(), 0);
        if (got > 0) {
            send_all(*from.other, {block_.data(), static_cast<size_t>(got)});
        } else if (got == 0) {
            from.read_ended = true;
            arm(from, from.armed & ~static_cast<uint32_t>(EPOLLIN));
            finish_if_done(from);
        } else if (errno != EAGAIN && errno != EINTR) {
            close(*from.pair);
        }
    }

    // Called only when `to` owes nothing: its feeder is not read until it has paid.
    void send_all(Side& to, std::string_view bytes) {
        const ssize_t sent = ::send(to.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent == static_cast<ssize_t>(bytes.size())) return;
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            close(*to.pair);
            return;
        }
        to.unsent.assign(bytes.substr(sent > 0 ? static_cast<size_t>(sent) : 0));
        arm(to, to.armed | EPOLLOUT);
        arm(*to.other, to.other->armed & ~static_cast<uint32_t>(EPOLLIN));
    }

    void send_unsent(Side& to) {
        const ssize_t sent = ::send(to.fd.get(), to.unsent.data(), to.unsent.size(), MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN && errno != EINTR) close(*to.pair);
            return;
        }
        to.unsent.erase(0, static_cast<size_t>(sent));
        if (!to.unsent.empty()) return;
        arm(to, to.armed & ~static_cast<uint32_t>(EPOLLOUT));
        if (to.other->read_ended) {
            finish_if_done(*to.other);
        } else {
            arm(*to.other, to.other->armed | EPOLLIN);
        }
    }

    // `from` has ended: hands the end on once everything before it has been sent.
    void finish_if_done(Side& from) {
        if (!from.other->unsent.empty()) return;
        if (from.other->read_ended) {
            close(*from.pair);
        } else if (::shutdown(from.other->fd.get(), SHUT_WR) != 0) {
            close(*from.pair);
        }
    }

    void arm(Side& side, uint32_t events) {
        if (side.armed == events) return;
        side.armed = events;
        hub_.epoll().modify(side.fd.get(), events, &side);
    }

    void close(Pair& pair) {
        pair.closed = true;
        pair.client.fd.reset();
        pair.server.fd.reset();
        dead_.emplace_back(&pair);  // Events of this batch may still name it.
    }

    Hub hub_;
    sockaddr_in backend_;
    std::vector<char> block_;
    std::vector<std::unique_ptr<Pair>> dead_;
};

}  // namespace
}  // namespace weir::bench

int main(int argc, char** argv) {
    using namespace weir::bench;
    Arguments arguments(argc, argv, kUsage);
    const auto port = arguments.number<uint16_t>("port", 0);
    const auto backend_port = arguments.number<uint16_t>("backend-port", 0);
    const sockaddr_in backend =
        ipv4_address(arguments.text("backend-host", "127.0.0.1"), backend_port);
    const auto threads = arguments.number<unsigned>("threads", 1);
    arguments.finish();
    if (port == 0 || backend_port == 0 || threads == 0) arguments.refuse("", 2);

    raise_file_limit();
    std::vector<std::unique_ptr<Forwarder>> forwarders;
    std::vector<Hub*> hubs;
    for (unsigned i = 0; i < threads; i++) {
        forwarders.push_back(std::make_unique<Forwarder>(backend));
        hubs.push_back(&forwarders.back()->hub());
    }
    hubs.front()->listen(listen_on_loopback(port), hubs);
    std::vector<std::jthread> others;
    for (unsigned i = 1; i < threads; i++) {
        others.emplace_back([&forwarder = *forwarders[i]] { forwarder.run(); });
    }
    forwarders.front()->run();
}
