// Match lists: whom a rule concerns, as a list of names or of addresses. An item with `!` in front
// takes out what it matches; what is left is everything, or if the list has items without `!`, what
// one of them matches. An empty list matches everything. Thread: any (values).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"

namespace weir {

// Names, exactly; one that ends in `*` is any that begins so.
class NameMatchList {
  public:
    // "app, report_*, !report_admin". Error when an item is empty or `*` stands inside of it.
    static Result<NameMatchList> parse(std::string_view text);

    [[nodiscard]] bool matches(std::string_view name) const;
    [[nodiscard]] bool is_empty() const { return items_.empty(); }

    bool operator==(const NameMatchList&) const = default;

  private:
    struct Item {
        std::string name;
        bool is_beginning = false;
        bool is_excluded = false;

        bool operator==(const Item&) const = default;
    };
    std::vector<Item> items_;
};

// Where a client comes from, in network byte order. Family 4 or 6; 0 = a Unix socket, which has no
// bytes. An IPv4 address in IPv6 clothes (::ffff:1.2.3.4) is of family 4.
struct AddressBytes {
    std::array<uint8_t, 16> bytes{};
    uint8_t family = 0;

    [[nodiscard]] static AddressBytes from(std::span<const uint8_t, 4> v4);
    [[nodiscard]] static AddressBytes from(std::span<const uint8_t, 16> v6);
    [[nodiscard]] int bits() const { return family == 4 ? 32 : family == 6 ? 128 : 0; }
    // The first `prefix` bits, the others 0.
    [[nodiscard]] AddressBytes masked(int prefix) const;
    // "1.2.3.4", "2001:db8::1" or "unix".
    [[nodiscard]] std::string text() const;

    bool operator==(const AddressBytes&) const = default;
};

// Addresses and networks: 10.0.0.1, 10.0.0.0/8, 2001:db8::/32, and `unix` for the Unix socket.
class AddressMatchList {
  public:
    // Error when an item is no address, or its prefix is longer than it.
    static Result<AddressMatchList> parse(std::string_view text);

    [[nodiscard]] bool matches(const AddressBytes& address) const;
    [[nodiscard]] bool is_empty() const { return items_.empty(); }

    bool operator==(const AddressMatchList&) const = default;

  private:
    struct Item {
        AddressBytes network;
        int prefix = 0;
        bool is_excluded = false;

        bool operator==(const Item&) const = default;
    };
    std::vector<Item> items_;
};

}  // namespace weir
