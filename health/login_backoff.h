// LoginBackoff: when may a pool try to log in to its server again after it failed?
//
// The first retry comes soon (a restart of the server must not cost its clients 15 s), each failure
// doubles the pause, server_login_retry is its ceiling. While failing and with no live connection,
// new clients are told the cached error at once instead of being queued behind a server that is
// down. Pure: the time is passed in. Owner: a pool, under its lock.
#pragma once

#include <algorithm>

#include "protocol/base/clock.h"

namespace weir {

class LoginBackoff {
  public:
    static constexpr Duration kFirstPause = std::chrono::milliseconds(100);

    void on_success() { failures_ = 0; }
    void on_failure(Instant now, Duration pause_max) {
        const Duration pause = kFirstPause * (int64_t{1} << std::min(failures_, 20));
        retry_at_ = now + std::min(pause, std::max(pause_max, Duration(0)));
        ++failures_;
    }

    [[nodiscard]] bool is_failing() const { return failures_ > 0; }
    [[nodiscard]] int failures() const { return failures_; }
    [[nodiscard]] bool may_try(Instant now) const { return failures_ == 0 || now >= retry_at_; }
    [[nodiscard]] Instant retry_at() const { return retry_at_; }

  private:
    int failures_ = 0;
    Instant retry_at_;
};

}  // namespace weir
