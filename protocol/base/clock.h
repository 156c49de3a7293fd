// Time as an input. Decisions take an Instant; only the event loops read a Clock, once per batch.
// Thread: Clock implementations are called by the thread that owns them.
#pragma once

#include <chrono>
#include <cstdint>

namespace weir {

using Duration = std::chrono::microseconds;

struct Instant {  // microseconds of a monotonic clock; zero = "never"
    int64_t us = 0;

    friend auto operator<=>(Instant, Instant) = default;
    friend Instant operator+(Instant a, Duration d) { return {a.us + d.count()}; }
    friend Duration operator-(Instant a, Instant b) { return Duration(a.us - b.us); }
    [[nodiscard]] bool is_never() const { return us == 0; }
};

class Clock {
  public:
    virtual ~Clock() = default;
    // Monotonic, never zero.
    virtual Instant now() = 0;
    // Microseconds since 1970 UTC that correspond to `at`; for display only.
    virtual int64_t wall_us(Instant at) = 0;
};

class SystemClock final : public Clock {
  public:
    Instant now() override;
    int64_t wall_us(Instant at) override;
};

}  // namespace weir
