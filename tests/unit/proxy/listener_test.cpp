// Goal: a listener that drops SYNs takes what has reached it and nothing more, and those whom it
// did not take reach another one on the same port, or whoever goes on with the socket.
// Method: two sockets on one port of the loopback, IPv4 and IPv6; clients that connect before and
// during, and are heard afterwards; without the rights of root, which a pooler does not have.
#include "proxy/net/listener.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "proxy/control/listeners.h"
#include "proxy/net/socket.h"

namespace weir::listener_test {
namespace {

// As the pooler's user; kernels forbid a few things to it that root may do.
class Unprivileged {
  public:
    Unprivileged() {
        if (was_root_) REQUIRE(seteuid(kNobody) == 0);
    }
    ~Unprivileged() {
        if (was_root_) CHECK(seteuid(0) == 0);
    }
    Unprivileged(const Unprivileged&) = delete;
    Unprivileged& operator=(const Unprivileged&) = delete;

  private:
    static constexpr uid_t kNobody = 65534;
    const bool was_root_ = geteuid() == 0;
};

std::unique_ptr<Listener> listening(const Address& address, const char* name) {
    const Result<int> fd = listen_on(address, name, 128, true);
    REQUIRE(fd);
    return std::make_unique<Listener>(*fd, false, name);
}

int connecting(const Address& to) {
    const int fd = socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)connect(fd, to.data(), to.size());
    return fd;
}

bool waits(int fd, short what, int ms) {
    pollfd entry{fd, what, 0};
    return poll(&entry, 1, ms) == 1;
}

std::vector<int> take_all(const Listener& listener) {
    std::vector<int> taken;
    Address peer;
    while (true) {
        const int fd = accept_on(listener.fd(), peer);
        if (fd < 0) return taken;
        if (listener.drops_syns()) Listener::stop_dropping(fd);
        taken.push_back(fd);
    }
}

TEST_CASE("what reached a closing listener is taken, the rest reaches its neighbour") {
    const Unprivileged as_nobody;
    for (const char* host : {"127.0.0.1", "::1"}) {
        CAPTURE(host);
        auto leaving = listening(*Address::from_ip(host, 0), "first");
        const Address port = local_address_of(leaving->fd());
        std::vector<int> clients;
        clients.push_back(connecting(port));
        REQUIRE(waits(leaving->fd(), POLLIN, 10'000));
        CHECK(leaving->queued() == 1);

        const auto staying = listening(port, "second");
        REQUIRE(leaving->drop_syns());
        CHECK(leaving->drops_syns());
        for (int i = 0; i < 16; ++i)
            clients.push_back(connecting(port));
        std::vector<int> taken = take_all(*leaving);
        CHECK(taken.size() == 1);
        CHECK_FALSE(waits(leaving->fd(), POLLIN, 200));
        leaving.reset();

        while (taken.size() < 17 && waits(staying->fd(), POLLIN, 20'000)) {
            for (const int fd : take_all(*staying))
                taken.push_back(fd);
        }
        CHECK(taken.size() == 17);
        for (const int fd : clients) {
            CHECK(waits(fd, POLLOUT, 10'000));
            CHECK(send(fd, "x", 1, MSG_NOSIGNAL) == 1);
        }
        for (const int fd : taken) {
            CHECK(waits(fd, POLLIN, 10'000));
            close(fd);
        }
        for (const int fd : clients)
            close(fd);
    }
}

TEST_CASE("who takes a closing listener over listens with it") {
    const Unprivileged as_nobody;
    for (const char* host : {"127.0.0.1", "::1"}) {
        CAPTURE(host);
        const auto closing = listening(*Address::from_ip(host, 0), "closing");
        REQUIRE(closing->drop_syns());
        const Address port = local_address_of(closing->fd());
        GlobalConfig global;
        global.listen_addr = host;
        global.listen_port = port.port();
        global.unix_socket_dir.clear();
        Listeners listeners;
        REQUIRE(listeners.open(global, {dup(closing->fd())}));
        REQUIRE(listeners.all().size() == 1);
        const int client = connecting(port);
        CHECK(waits(listeners.all()[0]->fd(), POLLIN, 10'000));
        close(client);
    }
}

TEST_CASE("an address that cannot be had is named") {
    const Result<int> fd = listen_on(*Address::from_ip("192.0.2.1", 5), "192.0.2.1:5", 5, false);
    REQUIRE_FALSE(fd);
    CHECK(fd.error().message ==
          "cannot listen on 192.0.2.1:5: bind(): Cannot assign requested address");
}

}  // namespace
}  // namespace weir::listener_test
