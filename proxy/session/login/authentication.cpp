#include "proxy/session/login/authentication.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "conf/logging.h"
#include "protocol/message/frontend.h"
#include "protocol/message/writer.h"
#include "proxy/session/clients.h"
#include "proxy/session/log_peer.h"
#include "proxy/session/login/client_login.h"
#include "proxy/session/throttle.h"

namespace weir {

namespace {

Error no_checker() {
    return {"28000", "nobody is here who checks passwords of this auth_type"};
}

}  // namespace

void Authentication::fail(const Error& error) {
    ctx_.clients->fail(session_, error);
}

void Authentication::note(std::string_view text) const {
    static RateLimit limit(10);
    const auto suppressed = limit.admit(ctx_.now);
    if (!suppressed) return;
    const std::string more =
        *suppressed == 0 ? "" : fmt::format(" ({} more not logged)", *suppressed);
    log::info(log_peer(ctx_, session_), "{}{}", text, more);
}

// ---- the method ----

void Authentication::begin(const Target& target) {
    target_ = target;
    choice_ = choose_auth(*ctx_.config, {.is_unix = session_.is_unix,
                                         .is_tls = session_.is_tls,
                                         .address = address_of(session_.peer),
                                         .database = session_.database,
                                         .user = session_.user,
                                         .replication = session_.replication});
    session_.auth_method = choice_.method;
    if (choice_.method == AuthMethod::Reject) return reject();
    if (choice_.method == AuthMethod::Any) return trust();
    if (proves_something() && is_turned_away()) return;
    if (const char* problem = choice_.certificate_problem(identity, session_.is_tls, session_.user))
        return on_wrong_identity(problem);
    switch (choice_.method) {
        case AuthMethod::Peer: return ask_system_user();
        case AuthMethod::Ldap:
        case AuthMethod::Pam:
            if (ctx_.shared.password_checker == nullptr) return fail(no_checker());
            return ask_plain_password();
        default: return find_secret();
    }
}

// Rules come before anything is asked about the user.
void Authentication::reject() {
    if (choice_.rule == nullptr) return fail(Error("28000", "no authentication method is found"));
    note(fmt::format("rejected by {}:{}", choice_.rule->at.file, choice_.rule->at.line));
    fail(Error("28000", "login rejected"));
}

bool Authentication::is_asked_elsewhere() const {
    return choice_.method == AuthMethod::Ldap || choice_.method == AuthMethod::Pam;
}

// Can the client be wrong about it?
bool Authentication::proves_something() const {
    const bool is_trusted =
        choice_.method == AuthMethod::Any || choice_.method == AuthMethod::Trust;
    return !is_trusted ||
           (choice_.rule != nullptr && choice_.rule->certificate != ClientCertificate::NotAsked);
}

void Authentication::trust() {
    if (choice_.method == AuthMethod::Trust) {
        if (!secret_.is_known) return fail(Error("28000", "\"trust\" authentication failed"));
    } else if (!target_.is_console && !(target_.database != nullptr && target_.database->user)) {
        note("auth_type=any requires forced user");
        return fail(Error("08P01", "bouncer config error"));
    }
    login_.on_authenticated();
}

// ---- the identity of the connection ----

void Authentication::ask_system_user() {
    const std::optional<uint32_t> uid = ctx_.io.peer_uid(session_.fd);
    if (!uid) return on_wrong_identity("the system does not tell who the peer is");
    ControlMessage message;
    message.kind = ControlMessage::Kind::FindSystemUser;
    message.question = ask();
    message.system_user = *uid;
    ctx_.shared.exchange.post_control(std::move(message));
}

void Authentication::on_system_user(const SystemUser& user) {
    if (!choice_.allows(user.name, session_.user)) {
        return on_wrong_identity(fmt::format("system user \"{}\" is not allowed", user.name));
    }
    find_secret();
}

// The client is not told what was wrong: the same as when there is no such user.
void Authentication::on_wrong_identity(std::string_view problem) {
    note(problem);
    on_wrong_password(Error("28000", choice_.method == AuthMethod::Peer
                                         ? "unix socket login rejected"
                                         : "certificate authentication failed"));
}

// ---- the secret ----

void Authentication::find_secret() {
    if (const std::string* secret = ctx_.config->find_secret(session_.user)) {
        return on_secret({true, SecretString(*secret)});
    }
    look_up(false);
}

// At somebody else's; `must_ask`: what was found out earlier will not do.
void Authentication::look_up(bool must_ask) {
    if (ctx_.secrets == nullptr) return on_secret({});
    const LoginQuestion question = ask();
    // It may be in a pool's queue meanwhile.
    const DatabaseConfig nowhere;
    const DatabaseConfig& database = target_.database == nullptr ? nowhere : *target_.database;
    session_.requested_at = ctx_.now;
    session_.timeouts.query_wait_ms = static_cast<uint32_t>(
        effective_query_wait_timeout(*ctx_.config, database, session_.user).count() / 1000);
    std::optional<Result<UserSecret>> answer =
        ctx_.secrets->look_up({.question = question,
                               .user = session_.user,
                               .database = session_.database,
                               .entry = target_.database,
                               .is_console = target_.is_console,
                               .must_ask = must_ask});
    if (!answer) return ctx_.clients->arm(session_);
    LoginAnswer now;
    now.question = question;
    if (*answer) {
        now.value = std::move(**answer);
    } else {
        now.value = answer->error();
    }
    on_answer(now);
}

void Authentication::on_secret(UserSecret secret) {
    session_.timeouts.query_wait_ms = 0;  // that wait is over
    secret_ = std::move(secret);
    if (exchange_ != nullptr) return on_step(exchange_->judge_again(secret_));
    if (!secret_.is_known) note(fmt::format("no such user: {}", session_.user));
    switch (choice_.method) {
        case AuthMethod::Trust: return trust();
        case AuthMethod::Cert:
        case AuthMethod::Peer:
            if (!secret_.is_known) return on_wrong_identity("there is no such user");
            guard_.on_right(session_);
            return login_.on_authenticated();
        default: return start_exchange();
    }
}

void Authentication::start_exchange() {
    const ScramSource scram{ctx_.shared.verifiers, ctx_.shared.mock_secret,
                            static_cast<uint32_t>(ctx_.config->global.scram_iterations)};
    exchange_ = std::make_unique<PasswordExchange>(
        choice_.method, session_.user, secret_, scram,
        session_.tls == nullptr ? std::nullopt : session_.tls->end_point_hash());
    session_.auth_method = exchange_->method();
    ctx_.clients->send(session_, exchange_->request());
}

void Authentication::ask_plain_password() {
    std::string text;
    write_auth_request(text, AuthRequest::CleartextPassword);
    ctx_.clients->send(session_, text);
}

// ---- questions to others ----

LoginQuestion Authentication::ask() {
    is_asking_ = true;
    session_.phase = ClientPhase::AuthWait;
    if (is_over_ == nullptr) is_over_ = std::make_shared<std::atomic<bool>>(false);
    return {session_.client_id(), ++questions_, is_over_};
}

void Authentication::on_answer(LoginAnswer& answer) {
    if (!is_asking_ || answer.question.number != questions_) return;
    is_asking_ = false;
    session_.phase = ClientPhase::Authenticating;
    ctx_.clients->schedule(session_);  // what it has sent meanwhile
    if (const auto* error = std::get_if<Error>(&answer.value)) return fail(*error);
    if (auto* secret = std::get_if<UserSecret>(&answer.value)) return on_secret(std::move(*secret));
    if (const auto* user = std::get_if<SystemUser>(&answer.value)) return on_system_user(*user);
    on_verdict(std::get<PasswordVerdict>(answer.value));
}

// ---- the password ----

size_t Authentication::on_bytes(ByteView input) {
    const Piece piece = session_.parser.peek(input);
    if (piece.kind == Piece::Kind::NeedMore) return 0;
    const bool is_password = piece.kind == Piece::Kind::Start && piece.tag == 'p';
    if (piece.kind == Piece::Kind::Start && piece.tag == 'X') {
        ctx_.clients->close(session_, "client close request");
        return input.size();
    }
    if (!is_password || piece.length > kAuthMessageBytesMax) {
        fail(Error("08P01", is_password ? "authentication message is too long"
                                        : "expected password response"));
        return input.size();
    }
    if (!piece.is_complete()) return 0;
    session_.parser.consume(piece);
    on_message(piece.body());
    return piece.bytes.size();
}

void Authentication::on_message(ByteView body) {
    if (is_asked_elsewhere()) return check_elsewhere(body);
    if (exchange_->is_next_decisive() && is_turned_away()) return;
    on_step(exchange_->on_message(body));
}

void Authentication::on_step(PasswordExchange::Step step) {
    // Before anybody is refused because of what was true once.
    if (step.kind == PasswordExchange::Step::Kind::Wrong && secret_.may_be_stale)
        return look_up(true);
    switch (step.kind) {
        case PasswordExchange::Step::Kind::Ask: return ctx_.clients->send(session_, step.text);
        case PasswordExchange::Step::Kind::Violation: return fail(*step.error);
        case PasswordExchange::Step::Kind::Wrong: return on_wrong_password(std::move(*step.error));
        case PasswordExchange::Step::Kind::Right: break;
    }
    guard_.on_right(session_);
    session_.outbox.append(as_bytes(step.text));  // leaves with the welcome
    login_.on_authenticated();
}

void Authentication::check_elsewhere(ByteView body) {
    const auto password = view_password(body);
    if (!password) return fail(Error("08P01", "invalid password message"));
    if (is_turned_away()) return;
    secret_ = {true, SecretString(*password)};
    const Status taken = ctx_.shared.password_checker->submit(
        {.question = ask(),
         .method = choice_.method,
         .options = choice_.rule == nullptr ? AuthOptions() : choice_.rule->options,
         .user = session_.user,
         .database = session_.database,
         .client_host = session_.peer.host(),
         .password = secret_.secret});
    if (!taken) fail(taken.error());
}

void Authentication::on_verdict(PasswordVerdict verdict) {
    if (!verdict.is_right) {
        const bool is_pam = choice_.method == AuthMethod::Pam;
        Error error("28P01", is_pam ? "PAM authentication failed" : "LDAP authentication failed");
        return on_wrong_password(std::move(error), verdict.delay);
    }
    guard_.on_right(session_);
    login_.on_authenticated();
}

// ---- wrong passwords ----

bool Authentication::is_turned_away() {
    const std::optional<Error> refusal = guard_.refusal(session_);
    if (refusal) fail(*refusal);
    return refusal.has_value();
}

void Authentication::on_wrong_password(Error error, Duration delay) {
    answer_at_ = guard_.on_wrong(session_);
    if (delay.count() > 0) answer_at_ = std::max(answer_at_, ctx_.now + delay);
    if (answer_at_.is_never()) return fail(error);
    refusal_ = std::move(error);
    session_.phase = ClientPhase::Refused;
    ctx_.deadlines.arm(session_, answer_at_);
}

void Authentication::on_deadline() {
    // It may have been an earlier one, of client_login_timeout.
    if (answer_at_ > ctx_.now) return ctx_.deadlines.arm(session_, answer_at_);
    fail(*refusal_);
}

}  // namespace weir
