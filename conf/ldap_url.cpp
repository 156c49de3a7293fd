#include "conf/ldap_url.h"

#include "conf/value.h"

namespace weir {

namespace {

constexpr const char* kLdapUrlRemedy =
    "give it as in ldap://host:389/dc=example,dc=org?uid?sub, or use ldapserver and the others";

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<std::string> decode(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (i + 2 >= text.size()) return {};
        const int high = hex_value(text[i + 1]);
        const int low = hex_value(text[i + 2]);
        if (high < 0 || low < 0 || (high == 0 && low == 0)) return {};
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

// Up to `delimiter`, which goes, too.
std::string_view take(std::string_view& rest, char delimiter) {
    const size_t at = rest.find(delimiter);
    const std::string_view part = rest.substr(0, at);
    rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + 1);
    return part;
}

Status apply_authority(LdapOptions& options, std::string_view authority) {
    const size_t bracket = authority.rfind(']');
    const size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
    const std::optional<std::string> host = decode(authority.substr(0, colon));
    if (!host)
        return fail("22023", std::string("ldapurl has a bad %xx in its host; ") + kLdapUrlRemedy);
    if (!host->empty()) options.servers = {*host};
    if (colon == std::string_view::npos) return {};
    const Result<int64_t> port = parse_integer(authority.substr(colon + 1), 10, 1, 65535);
    if (!port)
        return fail("22023", std::string("ldapurl has a port that is no number from 1 to 65535; ") +
                                 kLdapUrlRemedy);
    options.port = static_cast<uint16_t>(*port);
    return {};
}

}  // namespace

std::optional<LdapScope> find_ldap_scope(std::string_view word) {
    if (word == "base") return LdapScope::Base;
    if (word == "one") return LdapScope::One;
    if (word == "sub") return LdapScope::Subtree;
    return {};
}

Status apply_ldap_url(LdapOptions& options, std::string_view url) {
    std::string_view rest = url;
    if (rest.starts_with("ldap://")) {
        options.is_ldaps = false;
        rest.remove_prefix(7);
    } else if (rest.starts_with("ldaps://")) {
        options.is_ldaps = true;
        rest.remove_prefix(8);
    } else {
        return fail("22023", std::string("ldapurl begins with neither ldap:// nor ldaps://; ") +
                                 kLdapUrlRemedy);
    }
    if (Status applied = apply_authority(options, take(rest, '/')); !applied) return applied;
    const std::optional<std::string> base = decode(take(rest, '?'));
    const std::optional<std::string> attribute = decode(take(rest, '?'));
    const std::optional<std::string> scope = decode(take(rest, '?'));
    const std::optional<std::string> filter = decode(take(rest, '?'));
    if (!base || !attribute || !scope || !filter)
        return fail("22023", std::string("ldapurl has a bad %xx; ") + kLdapUrlRemedy);
    if (attribute->find(',') != std::string::npos)
        return fail("22023", "ldapurl names more than one attribute; give the one to search by");
    if (!rest.empty())
        return fail("22023", "ldapurl has an extension, which is not supported; remove it");
    if (!base->empty()) options.base_dn = *base;
    if (!attribute->empty()) options.search_attribute = *attribute;
    if (!filter->empty()) options.search_filter = *filter;
    const std::optional<LdapScope> found = find_ldap_scope(scope->empty() ? "base" : *scope);
    if (!found)
        return fail("22023", "ldapurl has a scope that is not known; give base, one or sub");
    options.scope = *found;
    return {};
}

}  // namespace weir
