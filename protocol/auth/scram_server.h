// The server side of SCRAM-SHA-256 (RFC 5802, RFC 7677; PostgreSQL documentation, "SASL
// Authentication"): the proxy checks a client that logs in to it. Pure: text in, text out; the
// caller moves the messages (SASLInitialResponse's body -> on_client_first ->
// AuthenticationSASLContinue; SASLResponse -> on_client_final -> AuthenticationSASLFinal) and
// supplies randomness. A session owns one object per login.
// Thread: worker (no sharing).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/auth/secret.h"
#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace weir {

//   AwaitFirst --client-first--> AwaitFinal --client-final, proof right--> Done
//       |                            |                                       |
//       +-------- anything else -----+---------------> Failed <--------------+
class ScramServer {
  public:
    // `server_nonce` is make_scram_nonce of fresh secure randomness (must satisfy is_scram_nonce),
    // new for every login: whoever can predict it can replay one. `channel_binding` is the
    // certificate hash (RFC 5929 §4.1) when SCRAM-SHA-256-PLUS was offered on this connection,
    // otherwise nothing.
    ScramServer(ScramVerifier verifier, std::string server_nonce,
                std::optional<std::string> channel_binding = std::nullopt);
    ScramServer(const ScramServer&) = delete;
    ScramServer& operator=(const ScramServer&) = delete;

    // Takes the client-first message, gives the server-first message. The user name in it is
    // ignored, as PostgreSQL does (libpq sends none); the one of the startup message counts.
    // Errors: 08P01 for anything malformed, too long, out of order or not supported (authorization
    // identity, mandatory extension); for channel binding that was not offered; and, when it was
    // offered, for a client that claims it was not (flag "y": somebody removed the offer on the
    // way).
    Result<std::string> on_client_first(std::string_view message);

    // Takes the client-final message, gives the server-final message: the client is who it says.
    // Errors: 28P01 "password authentication failed" when the proof is wrong; 08P01 for anything
    // malformed, too long or out of order, another nonce, or other channel binding than announced.
    Result<std::string> on_client_final(std::string_view message);

    [[nodiscard]] bool is_done() const { return state_ == State::Done; }

    // After on_client_first: whether the client binds the channel. The caller refuses a client that
    // does so under the plain mechanism name, or does not under the PLUS name.
    [[nodiscard]] bool uses_channel_binding() const { return gs2_header_.starts_with('p'); }

    // When is_done(): the keys that log in to any server with the same salt and iterations. All
    // zero otherwise.
    [[nodiscard]] const ScramKeys& keys() const { return keys_; }

  private:
    enum class State { AwaitFirst, AwaitFinal, Done, Failed };

    Status read_gs2_header(std::string_view& message);
    Result<std::string> read_client_first(std::string_view message);
    Result<std::string> read_client_final(std::string_view message);
    Result<std::string> check_proof(const ScramKey& proof);

    State state_ = State::AwaitFirst;
    const ScramVerifier verifier_;
    const std::string server_nonce_;
    const std::optional<std::string> channel_binding_;
    std::string gs2_header_;    // of client-first; client-final must repeat it
    std::string nonce_;         // the client's and ours
    std::string auth_message_;  // what the proofs sign, as far as known (RFC 5802 §3)
    ScramKeys keys_;
};

// A verifier for a user who does not exist or has no password, so that a login attempt goes the
// usual way and fails at its end like a wrong password. Salt (16 bytes) and keys are HMACs of the
// user name under `process_secret` (32 random bytes; not empty, asserted): asking twice gives the
// same salt, as for a real user, and nobody can find a password that fits. `iterations` should be
// what real users have. Restarting with another secret changes the salts of unknown users only,
// which tells them apart: share and keep the secret if that matters.
ScramVerifier make_mock_verifier(ByteView process_secret, std::string_view user,
                                 uint32_t iterations);

}  // namespace weir
