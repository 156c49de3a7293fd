// MedianOfThree: of the last three samples the middle one, so that one alone moves nothing.
//
// For samples that stray upwards by themselves: the round trip of a probe that had to wait for a
// core. Behind it an Ewma of such samples keeps following what lasts, one sample later.
// Pure; no allocation. Thread: the owner's.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

namespace weir {

class MedianOfThree {
  public:
    // Before the third sample, those that are missing count as `seed`.
    explicit MedianOfThree(double seed) : last_{seed, seed, seed} {}

    // Takes the next sample, gives the middle one of it and the two before it.
    double add(double sample) {
        last_[next_] = sample;
        next_ = (next_ + 1) % last_.size();
        const auto [a, b, c] = last_;
        return std::max(std::min(a, b), std::min(std::max(a, b), c));
    }

  private:
    std::array<double, 3> last_;
    size_t next_ = 0;
};

}  // namespace weir
