// Goal: what is no character of UTF-8 is none. Method: characters at the limits of each length, and
// what lies just beyond them (RFC 3629, section 4).
#include "protocol/base/utf8.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace weir::utf8_test {
namespace {

TEST_CASE("characters of UTF-8, and what is none") {
    for (const std::string_view text :
         {"a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
          "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
        CHECK(utf8_character_bytes(text) == text.size());
        CHECK(utf8_character_bytes(std::string(text) + "x") == text.size());
        if (text.size() > 1) CHECK(utf8_character_bytes(text.substr(0, text.size() - 1)) == 0);
    }
    for (const std::string_view text :
         {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2\x41", "\xe0\x9f\xbf", "\xed\xa0\x80",
          "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
        CHECK(utf8_character_bytes(text) == 0);
    }
    CHECK(utf8_character_bytes(std::string_view("\0", 1)) == 1);
}

}  // namespace
}  // namespace weir::utf8_test
