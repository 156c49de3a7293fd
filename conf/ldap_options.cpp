#include "conf/ldap_options.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <optional>

#include "conf/ldap_url.h"
#include "conf/limits.h"
#include "conf/value.h"

namespace weir {

namespace {

constexpr std::string_view kUser = "$username";
constexpr std::string_view kNames[] = {
    "ldapserver",          "ldapport",         "ldapscheme", "ldaptls",        "ldapprefix",
    "ldapsuffix",          "ldapbasedn",       "ldapbinddn", "ldapbindpasswd", "ldapscope",
    "ldapsearchattribute", "ldapsearchfilter", "ldapurl"};

bool is_space_or_tab(char c) {
    return c == ' ' || c == '\t';
}

// A comma parts two options, too, where a blank or the name of another one follows it; elsewhere it
// belongs to the value, which PostgreSQL would want in quotes.
bool parts_options(std::string_view rest) {
    if (is_space_or_tab(rest.front())) return true;
    if (rest.front() != ',') return false;
    rest.remove_prefix(1);
    if (rest.empty() || is_space_or_tab(rest.front())) return true;
    if (rest.front() == '"') rest.remove_prefix(1);
    const std::string_view name = rest.substr(0, rest.find('='));
    return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

// Takes the next name=value, its quotes resolved, off the front of `rest`.
Result<std::string> take_option(std::string_view& rest) {
    std::string option;
    bool is_quoted = false;
    for (; !rest.empty(); rest.remove_prefix(1)) {
        const char c = rest.front();
        if (c == '"') {
            const bool is_double = is_quoted && rest.size() > 1 && rest[1] == '"';
            if (is_double) {
                option += c;
                rest.remove_prefix(1);
            } else {
                is_quoted = !is_quoted;
            }
            continue;
        }
        if (!is_quoted && parts_options(rest)) break;
        option += c;
    }
    if (is_quoted) return fail("22023", "a double quote is not closed; add the missing \"");
    return option;
}

Status take_flag(bool& flag, std::string_view name, std::string_view value) {
    if (value != "0" && value != "1")
        return fail("22023", fmt::format("{} is neither 1 nor 0; give one of them", name));
    flag = value == "1";
    return {};
}

Status take_port(LdapOptions& options, std::string_view value) {
    const Result<int64_t> port = parse_integer(value, 10, 1, 65535);
    if (!port) return fail("22023", "ldapport: " + port.error().message);
    options.port = static_cast<uint16_t>(*port);
    return {};
}

Status take_scheme(LdapOptions& options, std::string_view value) {
    if (value != "ldap" && value != "ldaps") {
        return fail("22023",
                    fmt::format("ldapscheme \"{}\" is not known; give ldap or ldaps", value));
    }
    options.is_ldaps = value == "ldaps";
    return {};
}

Status take_scope(LdapOptions& options, std::string_view value) {
    const std::optional<LdapScope> scope = find_ldap_scope(value);
    if (!scope) {
        return fail("22023",
                    fmt::format("ldapscope \"{}\" is not known; give base, one or sub", value));
    }
    options.scope = *scope;
    return {};
}

std::vector<std::string> split_blanks(std::string_view text) {
    std::vector<std::string> out;
    for (size_t i = 0; i < text.size();) {
        const size_t end = std::min(text.find_first_of(" \t", i), text.size());
        if (end > i) out.emplace_back(text.substr(i, end - i));
        i = end + 1;
    }
    return out;
}

Status take_value(LdapOptions& options, std::string_view name, std::string_view value) {
    if (name == "ldapurl") return apply_ldap_url(options, value);
    if (name == "ldapport") return take_port(options, value);
    if (name == "ldapscheme") return take_scheme(options, value);
    if (name == "ldapscope") return take_scope(options, value);
    if (name == "ldaptls") return take_flag(options.starts_tls, name, value);
    if (name == "ldapserver") {
        options.servers = split_blanks(value);
        return {};
    }
    std::string* text = name == "ldapprefix"            ? &options.prefix
                        : name == "ldapsuffix"          ? &options.suffix
                        : name == "ldapbasedn"          ? &options.base_dn
                        : name == "ldapbinddn"          ? &options.bind_dn
                        : name == "ldapbindpasswd"      ? &options.bind_password
                        : name == "ldapsearchattribute" ? &options.search_attribute
                        : name == "ldapsearchfilter"    ? &options.search_filter
                                                        : nullptr;
    if (text == nullptr) {
        std::string hint = did_you_mean(name, kNames);
        if (hint.empty()) hint = "; check its spelling or remove it";
        return fail("22023", fmt::format("unknown LDAP option \"{}\"{}", name, hint));
    }
    *text = value;
    return {};
}

bool is_server_name(std::string_view host) {
    return std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("-._:[]%").find(c) != std::string_view::npos;
    });
}

Status check_servers(const LdapOptions& options) {
    if (options.servers.empty())
        return fail("22023", "names no server; add ldapserver= or ldapurl=");
    for (const std::string& server : options.servers) {
        if (is_server_name(server)) continue;
        return fail("22023", fmt::format("ldapserver \"{}\" is no host name or address; scheme and "
                                         "port have options of their own",
                                         server));
    }
    if (options.is_ldaps && options.starts_tls) {
        return fail("22023",
                    "ldaptls starts TLS on a connection that ldaps has encrypted already; remove "
                    "one of them");
    }
    return {};
}

Status check_search(const LdapOptions& options) {
    const bool has_name = !options.prefix.empty() || !options.suffix.empty();
    const bool has_search = options.searches() || !options.bind_dn.empty() ||
                            !options.bind_password.empty() || !options.search_attribute.empty() ||
                            !options.search_filter.empty();
    if (has_name && has_search) {
        return fail("22023",
                    "ldapprefix and ldapsuffix say what the user's DN is, and the other options "
                    "how to search for it; remove one kind");
    }
    if (has_name) return {};
    if (!options.searches()) {
        return fail("22023",
                    "says neither what the user's DN is nor where to search for it; add "
                    "ldapprefix=, ldapsuffix= or ldapbasedn=");
    }
    if (!options.search_attribute.empty() && !options.search_filter.empty()) {
        return fail("22023",
                    "ldapsearchattribute and ldapsearchfilter cannot be used together; remove one");
    }
    // Without the name in it, one password would do for every name.
    if (!options.search_filter.empty() && options.search_filter.find(kUser) == std::string::npos)
        return fail("22023", "ldapsearchfilter has no $username; put it where the name belongs");
    return {};
}

}  // namespace

Result<LdapOptions> make_ldap_options(const AuthOptions& given) {
    LdapOptions options;
    for (const auto& [name, value] : given) {
        if (Status taken = take_value(options, name, value); !taken)
            return tl::unexpected<Error>(taken.error());
    }
    if (Status checked = check_servers(options); !checked)
        return tl::unexpected<Error>(checked.error());
    if (Status checked = check_search(options); !checked)
        return tl::unexpected<Error>(checked.error());
    return options;
}

Result<LdapOptions> parse_ldap_options(std::string_view text) {
    if (text.size() > kLdapOptionsBytesMax)
        return fail("22023", fmt::format("too long; at most {} bytes", kLdapOptionsBytesMax));
    AuthOptions options;
    for (std::string_view rest = text; !rest.empty();) {
        if (parts_options(rest)) {
            rest.remove_prefix(1);
            continue;
        }
        const Result<std::string> option = take_option(rest);
        if (!option) return tl::unexpected<Error>(option.error());
        const size_t equals = option->find('=');
        if (equals == std::string::npos) {
            // What it is is not told: it may be the rest of a password with a blank in it.
            return fail("22023",
                        "an LDAP option has no \"=\"; write name=value, and put a value with "
                        "blanks in double quotes");
        }
        options.emplace_back(option->substr(0, equals), option->substr(equals + 1));
    }
    return make_ldap_options(options);
}

std::string ldap_uris(const LdapOptions& options) {
    std::string out;
    for (const std::string& server : options.servers) {
        if (!out.empty()) out += ' ';
        // A bare IPv6 address; brackets are allowed and then not needed.
        const bool is_v6 = server.find(':') != std::string::npos && server.front() != '[';
        out += options.is_ldaps ? "ldaps://" : "ldap://";
        out += is_v6 ? "[" + server + "]" : server;
        if (options.port != 0) out += ":" + std::to_string(options.port);
    }
    return out;
}

std::string ldap_bind_name(const LdapOptions& options, std::string_view user) {
    return options.prefix + escape_ldap_dn(user) + options.suffix;
}

std::string ldap_filter(const LdapOptions& options, std::string_view user) {
    const std::string name = escape_ldap_filter(user);
    if (options.search_filter.empty()) {
        const bool is_default = options.search_attribute.empty();
        return "(" + (is_default ? "uid" : options.search_attribute) + "=" + name + ")";
    }
    std::string out;
    std::string_view rest = options.search_filter;
    for (size_t at = rest.find(kUser); at != std::string_view::npos; at = rest.find(kUser)) {
        out += rest.substr(0, at);
        out += name;
        rest.remove_prefix(at + kUser.size());
    }
    out += rest;
    return out;
}

namespace {

void append_hex(std::string& out, char c) {
    out += fmt::format("\\{:02x}", static_cast<unsigned char>(c));
}

}  // namespace

std::string escape_ldap_filter(std::string_view value) {
    std::string out;
    for (const char c : value) {
        const bool is_special = c == '*' || c == '(' || c == ')' || c == '\\' || c == '\0';
        if (is_special) {
            append_hex(out, c);
        } else {
            out += c;
        }
    }
    return out;
}

std::string escape_ldap_dn(std::string_view value) {
    std::string out;
    for (size_t i = 0; i < value.size(); ++i) {
        const char c = value[i];
        const bool is_edge = i == 0 || i + 1 == value.size();
        if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') {
            append_hex(out, c);
        } else if (std::string_view("\"+,;<>=\\").find(c) != std::string_view::npos ||
                   (c == ' ' && is_edge) || (c == '#' && i == 0)) {
            out += '\\';
            out += c;
        } else {
            out += c;
        }
    }
    return out;
}

}  // namespace weir
