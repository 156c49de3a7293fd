#include "protocol/base/random.h"

#include <openssl/rand.h>

#include "protocol/base/check.h"

namespace weir {

void secure_random(std::span<uint8_t> out) {
    WEIR_CHECK(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1);
}

}  // namespace weir
