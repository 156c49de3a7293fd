#include "conf/metrics_address.h"

#include <arpa/inet.h>

#include <charconv>

namespace weir {

namespace {

constexpr const char* kMetricsAddressRemedy =
    "; give a port (9127) or IPv4-ADDRESS:PORT (0.0.0.0:9127)";

}  // namespace

Result<std::optional<MetricsAddress>> parse_metrics_address(std::string_view text) {
    if (text.empty()) return std::optional<MetricsAddress>();
    MetricsAddress out{"127.0.0.1", 0};
    const size_t colon = text.rfind(':');
    if (colon != std::string_view::npos) {
        const std::string_view host = text.substr(0, colon);
        if (host.find(':') != std::string_view::npos)
            return fail("22023", std::string("IPv6 cannot be listened on") + kMetricsAddressRemedy);
        out.host = host == "*" ? "0.0.0.0" : host == "localhost" ? "127.0.0.1" : std::string(host);
        in_addr parsed{};
        if (inet_pton(AF_INET, out.host.c_str(), &parsed) != 1)
            return fail("22023", std::string("not an address") + kMetricsAddressRemedy);
    }
    const std::string_view digits = colon == std::string_view::npos ? text : text.substr(colon + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
    if (error != std::errc() || end != digits.data() + digits.size() || out.port == 0)
        return fail("22023", std::string("the port is not a number from 1 to 65535") +
                                 kMetricsAddressRemedy);
    return std::optional<MetricsAddress>(std::move(out));
}

}  // namespace weir
