#include "proxy/auth/password_exchange.h"

#include <utility>

#include "protocol/auth/md5.h"
#include "protocol/auth/scram_message.h"
#include "protocol/base/random.h"
#include "protocol/message/frontend.h"
#include "protocol/message/writer.h"

namespace weir {

PasswordExchange::PasswordExchange(AuthMethod method, std::string user, UserSecret secret,
                                   ScramSource scram, std::optional<std::string> channel_binding)
    : method_(method),
      user_(std::move(user)),
      secret_(std::move(secret)),
      source_(scram),
      channel_binding_(std::move(channel_binding)) {
    if (method_ == AuthMethod::Md5 && classify_secret(secret_.secret.view()) == SecretKind::Scram) {
        method_ = AuthMethod::ScramSha256;
    }
}

std::string PasswordExchange::request() {
    std::string text;
    if (method_ == AuthMethod::ScramSha256) {
        std::string mechanisms;
        if (channel_binding_) mechanisms.append(kScramPlusMechanism).push_back('\0');
        mechanisms.append(kScramMechanism).append(2, '\0');
        write_auth_request(text, AuthRequest::Sasl, as_bytes(mechanisms));
    } else if (method_ == AuthMethod::Md5) {
        secure_random(md5_salt_);
        write_auth_request(text, AuthRequest::Md5Password, md5_salt_);
    } else {
        write_auth_request(text, AuthRequest::CleartextPassword);
    }
    return text;
}

PasswordExchange::Step PasswordExchange::on_message(ByteView body) {
    if (secret_.may_be_stale) last_ = SecretString(as_text(body));
    if (method_ != AuthMethod::ScramSha256) return on_password(body);
    return scram_ == nullptr ? on_sasl_initial(body) : on_sasl_final(body);
}

PasswordExchange::Step PasswordExchange::judge_again(UserSecret fresh) {
    secret_ = std::move(fresh);
    const SecretString last = std::exchange(last_, SecretString());
    const ByteView body = as_bytes(last.view());
    if (method_ != AuthMethod::ScramSha256) return on_password(body);
    std::optional<ScramVerifier> verifier = verifier_as_told();
    if (!verifier) {
        return {.kind = Step::Kind::Violation,
                .error = Error("28P01", "SASL authentication failed")};
    }
    scram_ = std::make_unique<ScramServer>(std::move(*verifier), nonce_, channel_binding_);
    if (const Result<std::string> first = scram_->on_client_first(client_first_); !first)
        return {.kind = Step::Kind::Violation, .error = first.error()};
    return on_sasl_final(body);
}

// ---- plain and md5 ----

PasswordExchange::Step PasswordExchange::on_password(ByteView body) {
    const auto password = view_password(body);
    if (!password) {
        return {.kind = Step::Kind::Violation, .error = Error("08P01", "invalid password message")};
    }
    if (!is_right(*password) || !secret_.is_known) {
        return {.kind = Step::Kind::Wrong,
                .error = Error("28P01", "password authentication failed")};
    }
    return {.kind = Step::Kind::Right};
}

bool PasswordExchange::is_right(std::string_view password) const {
    const std::string_view secret = secret_.secret.view();
    const SecretKind kind = classify_secret(secret);
    if (method_ == AuthMethod::Md5) {
        const std::string hash =
            kind == SecretKind::Md5 ? std::string(secret) : md5_secret(secret, user_);
        return md5_verify(hash, md5_salt_, password) &&
               (kind == SecretKind::Md5 || kind == SecretKind::Plain);
    }
    switch (kind) {
        case SecretKind::Empty: return false;
        case SecretKind::Plain: return constant_time_equal(as_bytes(password), as_bytes(secret));
        case SecretKind::Md5:
            return constant_time_equal(as_bytes(md5_secret(password, user_)), as_bytes(secret));
        case SecretKind::Scram: {
            const ScramVerifier stored = *parse_scram_verifier(secret);
            const ScramVerifier given =
                make_scram_verifier(password, stored.salt, stored.iterations);
            return constant_time_equal(given.stored_key, stored.stored_key);
        }
    }
    return false;
}

// ---- SCRAM ----

// The verifier to check the client against; one that nothing matches when there is no usable
// secret, with a salt that stays the same, so that users cannot be told from non-users.
ScramVerifier PasswordExchange::verifier() const {
    const std::string_view secret = secret_.secret.view();
    switch (classify_secret(secret)) {
        case SecretKind::Scram: return *parse_scram_verifier(secret);
        case SecretKind::Plain:
            return source_.verifiers.get(user_, secret_.secret, source_.iterations);
        default: return make_mock_verifier(source_.mock_secret, user_, source_.iterations);
    }
}

// The verifier of the secret as it is now, if it has the salt that the client went by.
std::optional<ScramVerifier> PasswordExchange::verifier_as_told() const {
    const std::string_view secret = secret_.secret.view();
    if (classify_secret(secret) == SecretKind::Plain)
        return make_scram_verifier(secret, told_.salt, told_.iterations);
    ScramVerifier now = verifier();
    if (now.salt != told_.salt || now.iterations != told_.iterations) return std::nullopt;
    return now;
}

PasswordExchange::Step PasswordExchange::on_sasl_initial(ByteView body) {
    const auto initial = view_sasl_initial(body);
    const bool is_plus = initial && channel_binding_ && initial->mechanism == kScramPlusMechanism;
    if (!initial || (!is_plus && initial->mechanism != kScramMechanism)) {
        return {.kind = Step::Kind::Violation,
                .error = Error("08P01", "invalid SASL initial response")};
    }
    std::array<uint8_t, 18> random{};
    secure_random(random);
    told_ = verifier();
    nonce_ = make_scram_nonce(random);
    client_first_ = initial->data;
    scram_ = std::make_unique<ScramServer>(told_, nonce_, channel_binding_);
    Result<std::string> answer = scram_->on_client_first(initial->data);
    if (answer && scram_->uses_channel_binding() != is_plus)
        answer = malformed_scram("channel binding does not fit the mechanism");
    if (!answer) return {.kind = Step::Kind::Violation, .error = answer.error()};
    Step step{.kind = Step::Kind::Ask};
    write_auth_request(step.text, AuthRequest::SaslContinue, as_bytes(*answer));
    return step;
}

PasswordExchange::Step PasswordExchange::on_sasl_final(ByteView body) {
    const Result<std::string> answer = scram_->on_client_final(as_text(body));
    if (!answer && answer.error().sqlstate != "28P01") {
        return {.kind = Step::Kind::Violation, .error = answer.error()};
    }
    if (!answer || !secret_.is_known) {
        return {.kind = Step::Kind::Wrong, .error = Error("28P01", "SASL authentication failed")};
    }
    Step step{.kind = Step::Kind::Right};
    write_auth_request(step.text, AuthRequest::SaslFinal, as_bytes(*answer));
    return step;
}

std::shared_ptr<const ScramKeys> PasswordExchange::scram_keys() const {
    if (scram_ == nullptr || !scram_->is_done()) return nullptr;
    return std::make_shared<ScramKeys>(scram_->keys());
}

}  // namespace weir
