// Two sources that must not be mixed up: Prng is seeded and repeatable (behaviour, tests,
// simulator); secure_random is OpenSSL's CSPRNG (cancel keys, salts, nonces). Thread: a Prng
// belongs to one thread; secure_random is safe from any.
#pragma once

#include <cstdint>
#include <span>

namespace weir {

class Prng {  // splitmix64 (Steele, Lea, Flood 2014)
  public:
    explicit Prng(uint64_t seed) : state_(seed) {}

    uint64_t next() {
        uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
        return z ^ (z >> 31);
    }
    // Uniform in [0, bound); bound > 0. The modulo bias is below 2^-32 for the bounds used here.
    uint64_t below(uint64_t bound) { return next() % bound; }
    // True with probability percent/100.
    bool chance(unsigned percent) { return below(100) < percent; }

  private:
    uint64_t state_;
};

// Fills `out` with unpredictable bytes; aborts when the operating system cannot supply them.
void secure_random(std::span<uint8_t> out);
// An unpredictable seed of a Prng, from the same source.
[[nodiscard]] uint64_t random_seed();

}  // namespace weir
