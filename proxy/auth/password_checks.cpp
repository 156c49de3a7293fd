#include "proxy/auth/password_checks.h"

#include <utility>

#include "proxy/auth/ldap_check.h"
#include "proxy/auth/pam_check.h"

namespace weir {

namespace {

constexpr size_t kQueueMax = 100;
constexpr unsigned kLdapAtOnce = 8;
constexpr unsigned kThreadsMax = 16;
constexpr uint32_t kLinesPerSecond = 20;

const char* name_of(const PasswordQuestion& question) {
    return question.ldap == nullptr ? "PAM" : "LDAP";
}

}  // namespace

// What the threads say, shared with them: one that comes back after the end finds it closed.
struct PasswordChecks::Mouth {
    Mouth(Clock& given_clock, std::function<void(LoginAnswer)> given_tell)
        : clock(given_clock), tell(std::move(given_tell)) {}

    void answer(const PasswordQuestion& question, LoginQuestion login,
                const PasswordAnswer& found) {
        const std::lock_guard lock(mutex);
        if (is_closed) return;
        LoginAnswer out;
        out.question = std::move(login);
        switch (found.kind) {
            case PasswordAnswer::Kind::Right: out.value = PasswordVerdict{.is_right = true}; break;
            case PasswordAnswer::Kind::Wrong:
                out.value = PasswordVerdict{.is_right = false, .delay = found.delay};
                break;
            case PasswordAnswer::Kind::Failed:
                out.value =
                    Error("28000", std::string(name_of(question)) + " authentication failed");
                break;
        }
        if (found.kind != PasswordAnswer::Kind::Right) log(question, found);
        tell(std::move(out));
    }

    void log(const PasswordQuestion& question, const PasswordAnswer& found) {
        const auto suppressed = lines.admit(clock.now());
        if (!suppressed) return;
        log::warning("{} authentication of user \"{}\" from {}: {} ({} lines suppressed)",
                     name_of(question), question.user, question.client_host, found.why,
                     *suppressed);
    }

    Clock& clock;
    const std::function<void(LoginAnswer)> tell;
    RateLimit lines{kLinesPerSecond};
    std::mutex mutex;
    bool is_closed = false;
};

PasswordChecks::PasswordChecks(Clock& clock, std::function<void(LoginAnswer)> tell)
    : mouth_(std::make_shared<Mouth>(clock, std::move(tell))),
      pam_({.name = "weir-pam",
            .concurrency = 1,
            .threads_max = kThreadsMax,
            .queue_max = kQueueMax}),
      ldap_({.name = "weir-ldap",
             .concurrency = kLdapAtOnce,
             .threads_max = kThreadsMax,
             .queue_max = kQueueMax}) {}

PasswordChecks::~PasswordChecks() {
    stop(std::chrono::milliseconds(0));
}

void PasswordChecks::configure(const GlobalConfig& global) {
    std::shared_ptr<const LdapOptions> options;
    // The loader has refused what cannot be read.
    if (Result<LdapOptions> parsed = parse_ldap_options(global.auth_ldap_options))
        options = std::make_shared<const LdapOptions>(std::move(*parsed));
    const std::lock_guard lock(mutex_);
    default_ldap_ = std::move(options);
}

Result<PasswordQuestion> PasswordChecks::question_of(PasswordCheck& check) {
    PasswordQuestion question;
    question.user = std::move(check.user);
    question.password = std::move(check.password);
    question.client_host = std::move(check.client_host);
    if (check.method != AuthMethod::Ldap) {
        for (const auto& [name, value] : check.options) {
            if (name == "pamservice") question.pam_service = value;
        }
        return question;
    }
    if (!check.options.empty()) {
        Result<LdapOptions> options = make_ldap_options(check.options);
        if (!options) return tl::unexpected<Error>(options.error());
        question.ldap = std::make_shared<const LdapOptions>(std::move(*options));
        return question;
    }
    const std::lock_guard lock(mutex_);
    if (default_ldap_ == nullptr) return fail("22023", "auth_ldap_options is not set");
    question.ldap = default_ldap_;
    return question;
}

Status PasswordChecks::submit(PasswordCheck check) {
    LoginQuestion login = check.question;
    Result<PasswordQuestion> question = question_of(check);
    if (!question) {
        log::error("LDAP authentication: {}", question.error().message);
        return fail("28000", "bouncer config error");
    }
    CheckPool& pool = question->ldap == nullptr ? pam_ : ldap_;
    CheckPool::Job job;
    job.is_abandoned = login.is_over;
    job.run = [asked = std::move(*question), login = std::move(login), mouth = mouth_] {
        // An empty one is not worth a question: LDAP would take it for an anonymous bind.
        PasswordAnswer found{.kind = PasswordAnswer::Kind::Wrong, .why = "the password is empty"};
        if (!asked.password.empty())
            found = asked.ldap == nullptr ? check_by_pam(asked) : check_by_ldap(asked);
        mouth->answer(asked, login, found);
    };
    if (!pool.submit(std::move(job))) return fail("53300", "too many passwords wait to be checked");
    return {};
}

bool PasswordChecks::stop(std::chrono::milliseconds patience) {
    {
        const std::lock_guard lock(mouth_->mutex);
        mouth_->is_closed = true;
    }
    const bool is_pam_over = pam_.stop(patience);
    return ldap_.stop(patience) && is_pam_over;
}

}  // namespace weir
