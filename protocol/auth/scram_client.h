// The client side of SCRAM-SHA-256 (RFC 5802, RFC 7677; PostgreSQL documentation, "SASL
// Authentication"): the proxy logs in to a server. Pure: text in, text out; the caller moves the
// messages (client_first -> SASLInitialResponse; AuthenticationSASLContinue -> on_server_first ->
// SASLResponse; AuthenticationSASLFinal -> on_server_final) and supplies randomness. The server is
// not trusted: it may send anything, and has to prove in the end that it knows the user. A server
// connection owns one object per login.
// Thread: worker (no sharing).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/auth/secret.h"
#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace weir {

//   Start --client_first()--> AwaitFirst --server-first--> AwaitFinal --server-final, right--> Done
//     |                           |                            |                               |
//     +--------- anything else ---+-----------> Failed <-------+-------------------------------+
class ScramClient {
  public:
    // Logs in with a password (any bytes; SASLprep is applied). `client_nonce` is make_scram_nonce
    // of fresh secure randomness (must satisfy is_scram_nonce). `channel_binding` is the
    // certificate hash (RFC 5929 §4.1) when the mechanism is SCRAM-SHA-256-PLUS, otherwise nothing.
    ScramClient(std::string_view password, std::string client_nonce,
                const std::optional<std::string>& channel_binding = std::nullopt);

    // Logs in with keys: those of the client's own login (ScramServer::keys), or cached ones. They
    // fit only a server whose verifier has the salt and iterations they were made with; the server
    // rejects others as a wrong password, and salt() and iterations() then tell why.
    ScramClient(const ScramKeys& keys, std::string client_nonce,
                const std::optional<std::string>& channel_binding = std::nullopt);
    ScramClient(const ScramClient&) = delete;
    ScramClient& operator=(const ScramClient&) = delete;

    // Before client_first(), with a password: keys derived from the same password by an earlier
    // login. They are used, and the costly derivation saved, if the server announces this salt and
    // iteration count; otherwise they are ignored.
    void offer_cached(const ScramKeys& keys, ByteView salt, uint32_t iterations);

    // Before client_first(), without channel binding: we could have bound, and the server did not
    // offer it. The message says so (flag "y"), so that a server whose offer somebody removed on
    // the way refuses.
    void note_binding_not_offered();

    // The client-first message. The user name in it is empty, as libpq does: the server takes the
    // one of the startup message. A repeated call gives the same text, whatever the state.
    std::string client_first();

    // Takes the server-first message, gives the client-final message. With a password and no
    // fitting cached keys this derives them: a millisecond for 4096 iterations, seconds for the
    // maximum.
    // Errors: 08P01 for anything malformed, too long or out of order, an unknown mandatory
    // extension, a nonce that does not properly extend ours or is longer than kScramNonceBytesMax,
    // an empty salt, an iteration count outside 1 .. kScramIterationsMax; 28P01 when the server
    // reports an error.
    Result<std::string> on_server_first(std::string_view message);

    // Takes the server-final message; success means that the server knows our verifier.
    // Errors: 28P01 when the server reports an error ("e="), 28000 when its signature is wrong,
    // 08P01 for anything malformed, too long or out of order.
    Status on_server_final(std::string_view message);

    [[nodiscard]] bool is_done() const { return state_ == State::Done; }

    // When is_done(): the keys in use, for caching together with salt() and iterations(). All zero
    // otherwise.
    [[nodiscard]] ScramKeys derived_keys() const { return is_done() ? keys_ : ScramKeys{}; }

    // What the server announced; empty and 0 before on_server_first has succeeded.
    [[nodiscard]] ByteView salt() const { return salt_; }
    [[nodiscard]] uint32_t iterations() const { return iterations_; }

  private:
    enum class State { Start, AwaitFirst, AwaitFinal, Done, Failed };
    struct Cached {
        ScramKeys keys;
        std::vector<uint8_t> salt;
        uint32_t iterations;
    };

    Result<std::string> read_server_first(std::string_view message);
    Status read_server_final(std::string_view message);
    void choose_keys();

    State state_ = State::Start;
    std::optional<SecretString> password_;  // prepared; nothing when keys_ are given
    std::optional<Cached> cached_;
    const std::string client_nonce_;
    std::string binding_input_;  // gs2 header and channel binding data
    const std::string client_first_bare_;
    std::vector<uint8_t> salt_;
    uint32_t iterations_ = 0;
    std::string auth_message_;  // what the proofs sign (RFC 5802 §3)
    ScramKeys keys_;
};

}  // namespace weir
