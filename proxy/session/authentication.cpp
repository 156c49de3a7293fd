#include "proxy/session/authentication.h"

#include <utility>

#include "protocol/message/frontend.h"
#include "protocol/message/writer.h"
#include "proxy/session/client_login.h"
#include "proxy/session/clients.h"

namespace weir {

namespace {

AuthMethod method_of(AuthType type) {
    switch (type) {
        case AuthType::Any: return AuthMethod::Any;
        case AuthType::Trust: return AuthMethod::Trust;
        case AuthType::Plain: return AuthMethod::Plain;
        case AuthType::Md5: return AuthMethod::Md5;
        case AuthType::ScramSha256: return AuthMethod::ScramSha256;
        case AuthType::Cert: return AuthMethod::Cert;
        case AuthType::Ldap: return AuthMethod::Ldap;
        case AuthType::Pam: return AuthMethod::Pam;
        case AuthType::Hba: break;
    }
    return AuthMethod::Reject;
}

Error not_yet() {
    return {"28000", "this auth_type is accepted in the configuration but not yet in effect"};
}

}  // namespace

void Authentication::fail(const Error& error) {
    ctx_.clients->fail(session_, error);
}

// ---- the method ----

void Authentication::begin(const Target& target) {
    target_ = target;
    choose_method();
    switch (method_) {
        case AuthMethod::Any: return trust();
        case AuthMethod::Trust:
        case AuthMethod::Plain:
        case AuthMethod::Md5:
        case AuthMethod::ScramSha256:
            if (asks_password() && is_turned_away()) return;
            return find_secret();
        case AuthMethod::Ldap:
        case AuthMethod::Pam:
            if (ctx_.shared.password_checker == nullptr) return fail(not_yet());
            if (is_turned_away()) return;
            return ask_plain_password();
        case AuthMethod::Reject:
        case AuthMethod::Cert:
        case AuthMethod::Peer: return fail(not_yet());
    }
}

void Authentication::choose_method() {
    method_ = method_of(ctx_.config->global.auth_type);
}

bool Authentication::is_asked_elsewhere() const {
    return method_ == AuthMethod::Ldap || method_ == AuthMethod::Pam;
}

bool Authentication::asks_password() const {
    return method_ == AuthMethod::Plain || method_ == AuthMethod::Md5 ||
           method_ == AuthMethod::ScramSha256 || is_asked_elsewhere();
}

void Authentication::trust() {
    const bool has_forced_user = target_.database != nullptr && target_.database->user;
    if (method_ == AuthMethod::Any) {
        if (target_.database != nullptr && !has_forced_user) {
            return fail(Error("08P01", "auth_type=any requires forced user"));
        }
    } else if (!secret_.is_known && !has_forced_user) {
        return fail(Error("28000", "no such user"));
    }
    login_.on_authenticated();
}

// ---- the secret ----

void Authentication::find_secret() {
    if (const std::string* secret = ctx_.config->find_secret(session_.user)) {
        return on_secret({true, SecretString(*secret)});
    }
    if (ctx_.secrets == nullptr) return on_secret({});
    const LoginQuestion question = ask();
    std::optional<Result<UserSecret>> answer =
        ctx_.secrets->look_up({.question = question,
                               .user = session_.user,
                               .database = session_.database,
                               .entry = target_.database,
                               .is_console = target_.is_console});
    if (!answer) return;
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
    secret_ = std::move(secret);
    if (method_ == AuthMethod::Trust) return trust();
    start_exchange();
}

void Authentication::start_exchange() {
    const ScramSource scram{ctx_.shared.verifiers, ctx_.shared.mock_secret,
                            static_cast<uint32_t>(ctx_.config->global.scram_iterations)};
    exchange_ = std::make_unique<PasswordExchange>(method_, session_.user, secret_, scram);
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
    return {session_.client_id(), ++questions_};
}

void Authentication::on_answer(LoginAnswer& answer) {
    if (!is_asking_ || answer.question.number != questions_) return;
    is_asking_ = false;
    session_.phase = ClientPhase::Authenticating;
    ctx_.clients->schedule(session_);  // what it has sent meanwhile
    if (const auto* error = std::get_if<Error>(&answer.value)) return fail(*error);
    if (auto* secret = std::get_if<UserSecret>(&answer.value)) return on_secret(std::move(*secret));
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
    PasswordExchange::Step step = exchange_->on_message(body);
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
    const Status taken = ctx_.shared.password_checker->submit({.question = ask(),
                                                               .method = method_,
                                                               .options = options_,
                                                               .user = session_.user,
                                                               .database = session_.database,
                                                               .client_host = session_.peer.host(),
                                                               .password = secret_.secret});
    if (!taken) fail(taken.error());
}

void Authentication::on_verdict(PasswordVerdict verdict) {
    if (!verdict.is_right) {
        return on_wrong_password(Error("28P01", "password authentication failed"));
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

void Authentication::on_wrong_password(Error error) {
    answer_at_ = guard_.on_wrong(session_);
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
