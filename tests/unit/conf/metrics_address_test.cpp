// Goal: metrics_listen opens what it says, and loopback unless it says otherwise. Method: table.
#include "conf/metrics_address.h"

#include <doctest/doctest.h>

namespace weir::metrics_address_test {
namespace {

std::string read(std::string_view text) {
    const Result<std::optional<MetricsAddress>> address = parse_metrics_address(text);
    if (!address) return "error: " + address.error().message;
    return *address ? (*address)->text() : "off";
}

TEST_CASE("metrics_listen: a port alone is on loopback") {
    CHECK(read("") == "off");
    CHECK(read("9127") == "127.0.0.1:9127");
    CHECK(read("localhost:9127") == "127.0.0.1:9127");
    CHECK(read("*:9127") == "0.0.0.0:9127");
    CHECK(read("10.1.2.3:65535") == "10.1.2.3:65535");
    CHECK((*parse_metrics_address("9127"))->is_loopback());
    CHECK_FALSE((*parse_metrics_address("*:9127"))->is_loopback());
}

TEST_CASE("metrics_listen: what is no address is an error with a remedy") {
    for (const char* text : {"0", "65536", "-1", "x", "9127x", "127.0.0.1", "127.0.0.1:", ":9127",
                             "example.org:9127", "[::1]:9127", "::1:9127", "1.2.3.4:0", " 9127"}) {
        CAPTURE(text);
        const std::string error = read(text);
        CHECK(error.rfind("error: ", 0) == 0);
        CHECK(error.find("; give a port (9127) or IPv4-ADDRESS:PORT") != std::string::npos);
    }
    CHECK(read("[::1]:9127").find("IPv6 cannot be listened on") != std::string::npos);
}

}  // namespace
}  // namespace weir::metrics_address_test
