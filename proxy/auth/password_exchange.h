// PasswordExchange: the server's side of one password exchange with a client: plain, md5 or
// SCRAM-SHA-256 (PostgreSQL documentation, "Message Flow", Start-up). Pure but for randomness:
// bodies of messages in, messages out. Of a user who does not exist, or has no usable secret, it
// asks as of any other and then finds the password wrong. Owner: Authentication. Thread: the
// worker's.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "conf/auth_method.h"
#include "protocol/auth/scram_server.h"
#include "proxy/auth/login_question.h"
#include "proxy/auth/verifier_cache.h"

namespace weir {

// Where the verifiers of plain passwords and of strangers come from.
struct ScramSource {
    VerifierCache& verifiers;
    ByteView mock_secret;
    uint32_t iterations = 4096;
};

class PasswordExchange {
  public:
    // `method`: Plain, Md5 or ScramSha256; Md5 becomes SCRAM when the secret is a SCRAM one.
    // `channel_binding`: what SCRAM may be bound to (tls-server-end-point, RFC 5929), and is then
    // offered to be; none without TLS.
    PasswordExchange(AuthMethod method, std::string user, UserSecret secret, ScramSource scram,
                     std::optional<std::string> channel_binding = std::nullopt);

    // The one that is used.
    [[nodiscard]] AuthMethod method() const { return method_; }
    // The first message to the client.
    [[nodiscard]] std::string request();

    struct Step {
        enum class Kind : uint8_t {
            Ask,        // send `text`, the next message goes on
            Right,      // `text` is to go out in front of AuthenticationOk
            Wrong,      // `error`, which counts as a wrong password
            Violation,  // `error`: no such message belongs here
        };
        Kind kind = Kind::Violation;
        std::string text = {};
        std::optional<Error> error = {};
    };
    // The body of a message with the tag `p`.
    Step on_message(ByteView body);
    // After Wrong: what the last message proves of `fresh`, the secret as it is now. A client that
    // was told the salt of an older SCRAM secret cannot prove anything: that is a Violation.
    Step judge_again(UserSecret fresh);
    // Does the next message show whether the password is right?
    [[nodiscard]] bool is_next_decisive() const {
        return method_ != AuthMethod::ScramSha256 || scram_ != nullptr;
    }
    // After Right by SCRAM, else null: what logs in to a server with the same verifier.
    [[nodiscard]] std::shared_ptr<const ScramKeys> scram_keys() const;

  private:
    [[nodiscard]] bool is_right(std::string_view password) const;
    [[nodiscard]] ScramVerifier verifier() const;
    [[nodiscard]] std::optional<ScramVerifier> verifier_as_told() const;
    Step on_password(ByteView body);
    Step on_sasl_initial(ByteView body);
    Step on_sasl_final(ByteView body);

    AuthMethod method_;
    const std::string user_;
    UserSecret secret_;
    const ScramSource source_;
    const std::optional<std::string> channel_binding_;
    std::array<uint8_t, 4> md5_salt_{};
    std::unique_ptr<ScramServer> scram_;
    ScramVerifier told_;        // with the salt that the client got
    std::string nonce_;         // ours
    std::string client_first_;  // the rest is for judge_again()
    SecretString last_;
};

}  // namespace weir
