#include "proxy/runtime/alarm.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "protocol/base/check.h"

namespace weir {

Alarm::Alarm() : fd_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
    WEIR_CHECK(fd_ >= 0);
}

Alarm::~Alarm() {
    ::close(fd_);
}

void Alarm::ring_in(Instant now, int in_ms) {
    if (in_ms < 0) return;
    const auto in = std::chrono::milliseconds(std::max(in_ms, 1));
    const Instant at = now + in;
    if (!rings_at_.is_never() && rings_at_ <= at) return;
    rings_at_ = at;
    itimerspec when{};
    when.it_value.tv_sec = in.count() / 1000;
    when.it_value.tv_nsec = in.count() % 1000 * 1'000'000;
    WEIR_CHECK(timerfd_settime(fd_, 0, &when, nullptr) == 0);
}

}  // namespace weir
