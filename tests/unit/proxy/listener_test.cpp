// Goal: a listener that drops SYNs takes what has reached it and nothing more, and those whom it
// did not take reach another one on the same port.
// Method: two sockets on one port of the loopback; clients that connect before and during.
#include "proxy/net/listener.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "proxy/net/socket.h"

namespace weir::listener_test {
namespace {

int connecting(const sockaddr_in& to) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    return fd;
}

bool waits(int fd, short what, int ms) {
    pollfd entry{fd, what, 0};
    return poll(&entry, 1, ms) == 1;
}

int take_all(const Listener& listener) {
    int count = 0;
    Address peer;
    while (true) {
        const int fd = accept_on(listener.fd(), peer);
        if (fd < 0) return count;
        if (listener.drops_syns()) listener.clear_filter(fd);
        close(fd);
        ++count;
    }
}

TEST_CASE("what reached a closing listener is taken, the rest reaches its neighbour") {
    const Address any_port = *Address::from_ip("127.0.0.1", 0);
    const Result<int> first = listen_on(any_port, "first", 128, true);
    REQUIRE(first);
    sockaddr_in bound{};
    socklen_t bytes = sizeof bound;
    REQUIRE(getsockname(*first, reinterpret_cast<sockaddr*>(&bound), &bytes) == 0);
    auto leaving = std::make_unique<Listener>(*first, false, "first");
    std::vector<int> clients;
    clients.push_back(connecting(bound));
    REQUIRE(waits(leaving->fd(), POLLIN, 10'000));
    CHECK(leaving->queued() == 1);

    const Address port = *Address::from_ip("127.0.0.1", ntohs(bound.sin_port));
    const Result<int> second = listen_on(port, "second", 128, true);
    REQUIRE(second);
    const Listener staying(*second, false, "second");
    REQUIRE(leaving->drop_syns());
    CHECK(leaving->drops_syns());
    for (int i = 0; i < 16; ++i)
        clients.push_back(connecting(bound));
    CHECK(take_all(*leaving) == 1);
    CHECK_FALSE(waits(leaving->fd(), POLLIN, 200));
    leaving.reset();

    int taken = 0;
    while (taken < 16 && waits(staying.fd(), POLLIN, 20'000))
        taken += take_all(staying);
    CHECK(taken == 16);
    for (const int fd : clients) {
        CHECK(waits(fd, POLLOUT, 10'000));
        close(fd);
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
