// What both sides of a SCRAM exchange share: names, limits, and a reader for "a=value,b=value"
// messages (RFC 5802 §5 and §7; PostgreSQL documentation, "SASL Authentication"). The messages come
// from strangers: everything here accepts any bytes.
// Thread: any (values, pure functions).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace weir {

// Mechanism names, as AuthenticationSASL lists them. PLUS is the same exchange with channel
// binding.
constexpr std::string_view kScramMechanism = "SCRAM-SHA-256";
constexpr std::string_view kScramPlusMechanism = "SCRAM-SHA-256-PLUS";

// The only channel binding PostgreSQL knows: the flag that starts a client-first message which uses
// it. Its data are a hash of the server's certificate (RFC 5929 §4).
constexpr std::string_view kScramBindingFlag = "p=tls-server-end-point";

// Our limits; the RFCs set none. libpq's nonces have 24 characters, its messages less than 200.
constexpr size_t kScramMessageBytesMax = 65'536;
constexpr size_t kScramNonceBytesMax = 1024;  // a client's; both together in server-first
constexpr uint32_t kScramIterationsMax = 10'000'000;

// True for 1 .. kScramNonceBytesMax printable ASCII characters without ',' (RFC 5802 §7,
// "printable").
bool is_scram_nonce(std::string_view text);

// A nonce made of random bytes (18 from secure_random are enough), in base64.
std::string make_scram_nonce(ByteView random);

// The error for a message that breaks the syntax: 08P01 "malformed SCRAM message: <what>".
tl::unexpected<Error> malformed_scram(std::string_view what);

// The error for a message that comes out of order: 08P01.
tl::unexpected<Error> unexpected_scram();

// Rejects what no SCRAM message is: longer than kScramMessageBytesMax, empty, or with a NUL in it.
Status check_scram_shape(std::string_view message);

// Reads attributes one after the other. Once something does not fit, all further answers are "no".
// Views point into the message.
class ScramAttributes {
  public:
    explicit ScramAttributes(std::string_view message) : rest_(message) {}

    // The value (possibly empty) of the next attribute, when it is called `name`; otherwise
    // nothing.
    std::optional<std::string_view> take(char name);

    // True when whatever is left are well-formed optional extensions, which are to be ignored; "m"
    // (mandatory extension) is not one.
    bool only_extensions_left();

  private:
    std::optional<std::pair<char, std::string_view>> next();

    std::optional<std::string_view> rest_;  // nothing: at the end, or stopped
};

}  // namespace weir
