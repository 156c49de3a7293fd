// Goal: the hash is SipHash-2-4. Method: the vectors of the paper's reference implementation.
#include "protocol/base/siphash.h"

#include <doctest/doctest.h>

#include <vector>

namespace weir::siphash_test {
namespace {

TEST_CASE("siphash gives the published values") {
    const SipKey key{0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
    std::vector<uint8_t> text;
    for (uint8_t i = 0; i < 15; ++i)
        text.push_back(i);
    CHECK(siphash(key, ByteView(text).first(0)) == 0x726fdb47dd0e0e31ULL);
    CHECK(siphash(key, ByteView(text).first(1)) == 0x74f839c593dc67fdULL);
    CHECK(siphash(key, ByteView(text).first(8)) == 0x93f5f5799a932462ULL);
    CHECK(siphash(key, text) == 0xa129ca6149be45e5ULL);
    CHECK(siphash({1, 2}, text) != siphash({1, 3}, text));
}

}  // namespace
}  // namespace weir::siphash_test
