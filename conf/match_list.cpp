#include "conf/match_list.h"

#include <arpa/inet.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstring>

#include "conf/value.h"

namespace weir {

namespace {

// Takes the `!` off.
bool take_exclusion(std::string_view& item) {
    if (!item.starts_with('!')) return false;
    item.remove_prefix(1);
    return true;
}

// `is_match(item)`: does this one match, whatever its `!` says?
template <typename Item, typename IsMatch>
bool matches_any(const std::vector<Item>& items, const IsMatch& is_match) {
    bool has_included = false;
    bool is_included = false;
    for (const Item& item : items) {
        has_included |= !item.is_excluded;
        if (!is_match(item)) continue;
        if (item.is_excluded) return false;
        is_included = true;
    }
    return is_included || !has_included;
}

Result<AddressBytes> parse_address(const std::string& text) {
    std::array<uint8_t, 16> bytes{};
    if (text == "unix") return AddressBytes();
    if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) {
        return AddressBytes::from(std::span<const uint8_t, 4>(bytes.data(), 4));
    }
    if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) {
        return AddressBytes::from(std::span<const uint8_t, 16>(bytes));
    }
    return fail("22023", fmt::format("\"{}\" is no address; give addresses or networks such as "
                                     "10.0.0.0/8 or 2001:db8::1, or unix",
                                     text));
}

}  // namespace

// ---- names ----

Result<NameMatchList> NameMatchList::parse(std::string_view text) {
    NameMatchList list;
    for (const std::string& written : split_list(text)) {
        std::string_view name = written;
        Item item;
        item.is_excluded = take_exclusion(name);
        item.is_beginning = name.ends_with('*');
        if (item.is_beginning) name.remove_suffix(1);
        if (name.find('*') != std::string_view::npos || (name.empty() && !item.is_beginning)) {
            return fail("22023", fmt::format("\"{}\" is no name; give names, each with * at its "
                                             "end and ! in front if wanted",
                                             written));
        }
        item.name = name;
        list.items_.push_back(std::move(item));
    }
    if (list.items_.empty()) return fail("22023", "names nobody; give at least one name");
    return list;
}

bool NameMatchList::matches(std::string_view name) const {
    return matches_any(items_, [name](const Item& item) {
        return item.is_beginning ? name.starts_with(item.name) : name == item.name;
    });
}

// ---- addresses ----

AddressBytes AddressBytes::from(std::span<const uint8_t, 4> v4) {
    AddressBytes out;
    out.family = 4;
    std::copy(v4.begin(), v4.end(), out.bytes.begin());
    return out;
}

AddressBytes AddressBytes::from(std::span<const uint8_t, 16> v6) {
    constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::equal(std::begin(kMapped), std::end(kMapped), v6.begin())) return from(v6.last<4>());
    AddressBytes out;
    out.family = 6;
    std::copy(v6.begin(), v6.end(), out.bytes.begin());
    return out;
}

AddressBytes AddressBytes::masked(int prefix) const {
    AddressBytes out = *this;
    for (int byte = 0; byte < 16; ++byte) {
        const int kept = std::clamp(prefix - byte * 8, 0, 8);
        out.bytes[static_cast<size_t>(byte)] &= static_cast<uint8_t>(0xff00 >> kept);
    }
    return out;
}

std::string AddressBytes::text() const {
    char text[INET6_ADDRSTRLEN] = "unix";
    if (family != 0) inet_ntop(family == 4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
    return text;
}

Result<AddressMatchList> AddressMatchList::parse(std::string_view text) {
    AddressMatchList list;
    for (const std::string& written : split_list(text)) {
        std::string_view rest = written;
        Item item;
        item.is_excluded = take_exclusion(rest);
        const size_t slash = rest.find('/');
        const Result<AddressBytes> address = parse_address(std::string(rest.substr(0, slash)));
        if (!address) return tl::unexpected<Error>(address.error());
        item.prefix = address->bits();
        if (slash != std::string_view::npos) {
            const Result<int64_t> prefix =
                parse_integer(rest.substr(slash + 1), 10, 0, item.prefix);
            if (!prefix) {
                return fail("22023", fmt::format("the prefix of \"{}\" is {}", written,
                                                 prefix.error().message));
            }
            item.prefix = static_cast<int>(*prefix);
        }
        item.network = address->masked(item.prefix);
        list.items_.push_back(item);
    }
    if (list.items_.empty()) return fail("22023", "names nobody; give at least one address");
    return list;
}

bool AddressMatchList::matches(const AddressBytes& address) const {
    return matches_any(items_, [&address](const Item& item) {
        return item.network.family == address.family && address.masked(item.prefix) == item.network;
    });
}

}  // namespace weir
