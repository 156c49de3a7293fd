// Byte debt: a rate of bytes that is charged when they have been moved, since nobody knows before
// how many there will be. What a key has moved is remembered as the moment at which it will be paid
// for at the allowed rate (as in gcra.h); a second's worth is free to come at once:
//
//     paid_at' = max(now, paid_at) + bytes / rate;   the next may begin at paid_at - 1 s
//
// A debt is forgiven beyond kDebtMax, so that one huge result does not shut its key out for hours.
// Thread: its owner's (cells of a table under its lock).
#pragma once

#include <algorithm>
#include <cstdint>

#include "protocol/base/clock.h"

namespace weir {

class ByteDebt {
  public:
    static constexpr Duration kDebtMax = std::chrono::seconds(60);
    static constexpr Duration kFree = std::chrono::seconds(1);

    // `per_second` > 0 and at most conf's kRateBytesMax.
    void charge(Instant now, int64_t per_second, uint64_t bytes) {
        const int64_t now_ns = now.us * 1000;
        const int64_t most_ns = (kFree + kDebtMax).count() * 1000;
        const auto rate = static_cast<uint64_t>(per_second);
        const uint64_t whole_s = bytes / rate;
        int64_t cost_ns = most_ns;
        if (whole_s < static_cast<uint64_t>(most_ns / kNsPerSecond)) {
            const uint64_t rest_ns = (bytes % rate * kNsPerSecond + rate - 1) / rate;
            cost_ns = static_cast<int64_t>(whole_s * kNsPerSecond + rest_ns);
        }
        paid_at_ns_ = std::min(std::max(now_ns, paid_at_ns_) + cost_ns, now_ns + most_ns);
    }
    // How long the next has to wait.
    [[nodiscard]] Duration wait(Instant now) const {
        const int64_t wait_ns = paid_at_ns_ - (now + kFree).us * 1000;
        return wait_ns <= 0 ? Duration(0) : Duration((wait_ns + 999) / 1000);
    }
    // As good as new.
    [[nodiscard]] bool is_spent(Instant now) const { return paid_at_ns_ / 1000 < now.us; }

  private:
    static constexpr int64_t kNsPerSecond = 1'000'000'000;
    int64_t paid_at_ns_ = 0;
};

}  // namespace weir
