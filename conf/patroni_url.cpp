#include "conf/patroni_url.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "conf/limits.h"
#include "conf/value.h"

namespace weir {

namespace {

constexpr const char* kPatroniRemedy = "give it as in http://10.0.0.1:8008";

bool is_one_of(std::string_view text, std::string_view more) {
    return std::all_of(text.begin(), text.end(), [more](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               more.find(c) != std::string_view::npos;
    });
}

// A name or an address; IPv6 in brackets.
bool is_host(std::string_view host) {
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        return is_one_of(host.substr(1, host.size() - 2), ":.");
    }
    return !host.empty() && host.front() != '-' && is_one_of(host, ".-_");
}

// Where the port begins, with its colon; npos = there is none.
size_t port_begin(std::string_view authority) {
    const size_t bracket = authority.rfind(']');
    return authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
}

}  // namespace

Result<std::string> parse_patroni_url(std::string_view text) {
    if (text.empty()) return std::string();
    if (text.size() > kPatroniUrlBytesMax) {
        return fail("22023", fmt::format("too long; at most {} bytes", kPatroniUrlBytesMax));
    }
    std::string_view rest = text;
    if (rest.starts_with("http://")) {
        rest.remove_prefix(7);
    } else if (rest.starts_with("https://")) {
        rest.remove_prefix(8);
    } else {
        return fail("22023",
                    fmt::format("begins with neither http:// nor https://; {}", kPatroniRemedy));
    }
    if (rest.ends_with('/')) {
        rest.remove_suffix(1);
        text.remove_suffix(1);
    }
    if (rest.find('@') != std::string_view::npos) {
        return fail("22023",
                    fmt::format("names a user, and what is asked needs none; {}", kPatroniRemedy));
    }
    if (rest.find_first_of("/?#") != std::string_view::npos) {
        return fail("22023", fmt::format("has a path, which Weir adds itself; {}", kPatroniRemedy));
    }
    const size_t colon = port_begin(rest);
    if (!is_host(rest.substr(0, colon))) {
        return fail("22023", fmt::format("names no host; {}", kPatroniRemedy));
    }
    if (colon != std::string_view::npos) {
        const std::string_view digits = rest.substr(colon + 1);
        const Result<int64_t> port = parse_integer(digits, 10, 1, 65535);
        // No sign and no blank, which libcurl would not take.
        if (!port || digits.find_first_not_of("0123456789") != std::string_view::npos) {
            return fail("22023",
                        fmt::format("its port is no number from 1 to 65535; {}", kPatroniRemedy));
        }
    }
    return std::string(text);
}

}  // namespace weir
