// Goal: which servers a file in the form of resolv.conf means when one has a port, and the zone of
// a name. (Questions and answers: tests/integration/test_dns.py.)
#include "proxy/runtime/resolver.h"

#include <doctest/doctest.h>

#include "proxy/control/name_service.h"

namespace weir::resolver_test {
namespace {

TEST_CASE("servers are taken from the file only where one has a port") {
    CHECK_FALSE(servers_with_ports(""));
    CHECK_FALSE(servers_with_ports("nameserver 10.0.0.1\nnameserver ::1\n"));
    CHECK_FALSE(servers_with_ports("# nameserver 10.0.0.1:53\n;nameserver 10.0.0.1:53\n"));
    CHECK(servers_with_ports("nameserver 127.0.0.1:5353") == "127.0.0.1:5353");
    CHECK(servers_with_ports("search x.example\nnameserver 10.0.0.1\n  nameserver\t[::1]:5353 \n"
                             "options ndots:2\n") == "10.0.0.1,[::1]:5353");
    CHECK_FALSE(servers_with_ports("nameserver 2001:db8::1\nnameserver\n"));
}

TEST_CASE("the zone of a name is what follows its first label") {
    CHECK(zone_of("db.example.com") == "example.com");
    CHECK(zone_of("a.b.c.d") == "b.c.d");
    CHECK(zone_of("localhost").empty());
    CHECK(zone_of("db.").empty());
    CHECK(zone_of("").empty());
}

}  // namespace
}  // namespace weir::resolver_test
