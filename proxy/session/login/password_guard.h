// PasswordGuard: what one login owes to the wrong passwords that came before it, from the same
// address for the same user: it is refused while there are too many (limits/auth_failures decides),
// and the answer to a wrong one is held back. Off unless auth_failures_max or auth_failure_delay
// is set. Logins that ask for no password never come here. Owner: Authentication. Thread: the
// worker's.
#pragma once

#include <optional>

#include "proxy/session/context.h"

namespace weir {

class PasswordGuard {
  public:
    explicit PasswordGuard(WorkerContext& context) : ctx_(context) {}

    // Before a password is asked for and again before it is looked at, since many may have been
    // asked for at once: the FATAL 28000 with which to turn this session away.
    [[nodiscard]] std::optional<Error> refusal(const ClientSession& session) const;
    // It was right.
    void on_right(const ClientSession& session) const;
    // It was wrong. Gives until when the answer has to wait; never = it may go out now.
    [[nodiscard]] Instant on_wrong(const ClientSession& session) const;

  private:
    [[nodiscard]] AuthFailureLimit limit() const;

    WorkerContext& ctx_;
};

}  // namespace weir
