#include "proxy/session/login/password_guard.h"

#include <spdlog/fmt/fmt.h>

#include "proxy/session/throttle.h"

namespace weir {

namespace {

std::string key_of(const ClientSession& session) {
    return AuthFailures::key_of(address_of(session.peer), session.user);
}

}  // namespace

AuthFailureLimit PasswordGuard::limit() const {
    const GlobalConfig& global = ctx_.config->global;
    return {global.auth_failures_max, global.auth_failures_window};
}

std::optional<Error> PasswordGuard::refusal(const ClientSession& session) const {
    const AuthFailureLimit now_in_force = limit();
    if (now_in_force.failures_max == 0) return std::nullopt;
    AuthFailures& failures = ctx_.shared.auth_failures;
    const std::string key = key_of(session);
    const std::optional<Duration> left = failures.suspended(key, ctx_.now, now_in_force);
    if (!left) return std::nullopt;
    failures.note_refused(key, ctx_.now, now_in_force);
    Error error("28000", "too many wrong passwords");
    // Rounded up: who waits that long is asked again.
    error.detail = fmt::format("Key \"{}\", limit \"{}\", retry after {} ms.", key,
                               now_in_force.text(), (left->count() + 999) / 1000);
    return error;
}

void PasswordGuard::on_right(const ClientSession& session) const {
    if (limit().failures_max != 0) ctx_.shared.auth_failures.forget(key_of(session));
}

Instant PasswordGuard::on_wrong(const ClientSession& session) const {
    AuthFailures& failures = ctx_.shared.auth_failures;
    const std::string key = key_of(session);
    failures.failed(key, ctx_.now, limit());
    // Before, it was let try: so it is this failure that locks it out.
    if (failures.suspended(key, ctx_.now, limit())) {
        post_event(ctx_, {ProcessEvent::Kind::Login, ctx_.now, key, "locked out", limit().text()});
    }
    const Duration delay = ctx_.config->global.auth_failure_delay;
    if (delay.count() == 0) return {};
    failures.note_delayed();
    return ctx_.now + delay;
}

}  // namespace weir
