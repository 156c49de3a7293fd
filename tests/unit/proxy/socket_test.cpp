// Goal: what apply_options() does to a connection. Method: a real socket, asked afterwards.
#include "proxy/net/socket.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace weir::socket_test {
namespace {

std::string congestion_control_of(int fd) {
    char name[16] = {};
    socklen_t bytes = sizeof name;
    REQUIRE(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &bytes) == 0);
    return name;
}

std::string congestion_control_towards(const char* ip) {
    const Address address = *Address::from_ip(ip, 5432);
    const int fd = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    const std::string system = congestion_control_of(fd);
    apply_options(fd, address, {});
    const std::string now = congestion_control_of(fd);
    ::close(fd);
    return now == system ? "the system's" : now;
}

TEST_CASE("a connection within the machine has no congestion control to pay for") {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool is_reno = congestion_control_of(fd) == "reno";
    ::close(fd);
    const std::string spared = is_reno ? "the system's" : "reno";
    CHECK(congestion_control_towards("127.0.0.1") == spared);
    CHECK(congestion_control_towards("127.9.0.1") == spared);
    CHECK(congestion_control_towards("192.0.2.1") == "the system's");
}

TEST_CASE("an address knows whether it is of this machine alone") {
    for (const char* ip : {"127.0.0.1", "127.200.0.1", "::1", "::ffff:127.0.0.1"})
        CHECK_MESSAGE(Address::from_ip(ip, 1)->is_loopback(), ip);
    for (const char* ip : {"10.0.0.1", "128.0.0.1", "::2", "fe80::1", "::ffff:10.0.0.1", "0.0.0.0"})
        CHECK_MESSAGE(!Address::from_ip(ip, 1)->is_loopback(), ip);
    CHECK(!Address::from_unix("/tmp/.s.PGSQL.5432")->is_loopback());
    CHECK(!Address().is_loopback());
}

}  // namespace
}  // namespace weir::socket_test
