#include "protocol/base/random.h"

#include <openssl/rand.h>

#include <array>
#include <cstring>

#include "protocol/base/check.h"

namespace weir {

void secure_random(std::span<uint8_t> out) {
    WEIR_CHECK(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1);
}

uint64_t random_seed() {
    std::array<uint8_t, sizeof(uint64_t)> bytes{};
    secure_random(bytes);
    uint64_t seed = 0;
    std::memcpy(&seed, bytes.data(), sizeof seed);
    return seed;
}

}  // namespace weir
