// Goal: match lists take in and leave out what they say. Method: lists and what they meet, by hand.
#include "conf/match_list.h"

#include <doctest/doctest.h>

#include <arpa/inet.h>

namespace weir::match_list_test {
namespace {

bool matches(const char* list, std::string_view name) {
    const auto parsed = NameMatchList::parse(list);
    REQUIRE(parsed);
    return parsed->matches(name);
}

AddressBytes address(const char* text) {
    std::array<uint8_t, 16> bytes{};
    if (inet_pton(AF_INET, text, bytes.data()) == 1) {
        return AddressBytes::from(std::span<const uint8_t, 4>(bytes.data(), 4));
    }
    REQUIRE(inet_pton(AF_INET6, text, bytes.data()) == 1);
    return AddressBytes::from(std::span<const uint8_t, 16>(bytes));
}

bool covers(const char* list, const char* text) {
    const auto parsed = AddressMatchList::parse(list);
    REQUIRE(parsed);
    return parsed->matches(std::string_view(text) == "unix" ? AddressBytes() : address(text));
}

TEST_CASE("names match exactly, by their beginning, or all but some") {
    CHECK(NameMatchList().matches("anybody"));
    CHECK(matches("a, b", "b"));
    CHECK_FALSE(matches("a, b", "ab"));
    CHECK(matches("rep_*", "rep_1"));
    CHECK(matches("*", ""));
    CHECK_FALSE(matches("rep_*", "re"));
    CHECK(matches("!admin", "app"));
    CHECK_FALSE(matches("!admin", "admin"));
    CHECK_FALSE(matches("rep_*, !rep_1", "rep_1"));
    CHECK_FALSE(matches("!rep_1, rep_*", "rep_1"));
    CHECK_FALSE(matches("rep_*, !rep_1", "app"));
}

TEST_CASE("a list of names that means nothing is refused") {
    CHECK_FALSE(NameMatchList::parse(" , "));
    CHECK_FALSE(NameMatchList::parse("!"));
    CHECK(NameMatchList::parse("a*b").error().message ==
          "\"a*b\" is no name; give names, each with * at its end and ! in front if wanted");
}

TEST_CASE("addresses match by their network") {
    CHECK(AddressMatchList().matches(address("1.2.3.4")));
    CHECK(covers("10.0.0.0/8", "10.255.0.1"));
    CHECK_FALSE(covers("10.0.0.0/8", "11.0.0.1"));
    CHECK(covers("10.1.2.3", "10.1.2.3"));
    CHECK_FALSE(covers("10.1.2.3", "10.1.2.4"));
    CHECK(covers("0.0.0.0/0", "1.2.3.4"));
    CHECK_FALSE(covers("0.0.0.0/0", "::1"));
    CHECK(covers("2001:db8::/33", "2001:db8:7fff::1"));
    CHECK_FALSE(covers("2001:db8::/33", "2001:db8:8000::1"));
    CHECK(covers("10.0.0.0/8", "::ffff:10.1.1.1"));
    CHECK(covers("unix, ::1", "unix"));
    CHECK_FALSE(covers("!unix", "unix"));
    CHECK(covers("!10.0.0.0/8", "::1"));
    CHECK_FALSE(covers("!10.0.0.0/8, 10.1.0.0/16", "10.1.0.1"));
}

TEST_CASE("what is no address is refused") {
    CHECK(AddressMatchList::parse("localhost").error().message ==
          "\"localhost\" is no address; give addresses or networks such as 10.0.0.0/8 or "
          "2001:db8::1, or unix");
    CHECK(AddressMatchList::parse("10.0.0.0/33").error().message ==
          "the prefix of \"10.0.0.0/33\" is out of range; give a whole number from 0 to 32");
    CHECK_FALSE(AddressMatchList::parse(""));
    CHECK_FALSE(AddressMatchList::parse("::1/x"));
}

TEST_CASE("addresses are masked and printed") {
    CHECK(address("1.2.3.255").masked(25).text() == "1.2.3.128");
    CHECK(address("2001:db8:1:2:3::4").masked(64).text() == "2001:db8:1:2::");
    CHECK(AddressBytes().masked(0).text() == "unix");
    CHECK(address("::ffff:1.2.3.4").text() == "1.2.3.4");
}

}  // namespace
}  // namespace weir::match_list_test
