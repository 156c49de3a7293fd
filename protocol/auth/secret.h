// Secrets at rest: text that is wiped when it dies, and the three forms in which PostgreSQL keeps a
// password (pg_authid.rolpassword, and so auth_file and auth_query): plain text, "md5" and 32 hex
// digits, or a SCRAM-SHA-256 verifier. Nothing here can be streamed or formatted, on purpose: a
// secret must not reach a log. Values: whoever holds one owns it.
// Thread: any (values, pure functions).
#pragma once

#include <openssl/crypto.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace weir {

// True when both views hold the same bytes. The time taken depends on the lengths only, never on
// where the contents differ; views of different length are unequal at once.
bool constant_time_equal(ByteView a, ByteView b);

// Wipes every block it gives back, so that a container of secrets leaves no copy in freed memory,
// not even when it grows.
template <typename T>
struct CleansingAllocator {
    using value_type = T;

    CleansingAllocator() = default;
    template <typename U>
    CleansingAllocator(const CleansingAllocator<U>&) {}  // implicit, as allocators must be

    T* allocate(size_t count) { return std::allocator<T>().allocate(count); }
    void deallocate(T* block, size_t count) {
        OPENSSL_cleanse(block, count * sizeof(T));
        std::allocator<T>().deallocate(block, count);
    }
    friend bool operator==(CleansingAllocator, CleansingAllocator) { return true; }
};

// A password or another secret text. Its bytes are wiped (OPENSSL_cleanse) on destruction, on
// assignment and, because moving hands over the only copy, in the moved-from object, which is empty
// afterwards. Any bytes are allowed, NUL too.
class SecretString {
  public:
    SecretString() = default;
    explicit SecretString(std::string_view text) : text_(text.begin(), text.end()) {}
    // Takes the text over and wipes `text`, which is empty afterwards.
    static SecretString take(std::string& text);

    SecretString(const SecretString&) = default;
    SecretString(SecretString&& other) noexcept { text_.swap(other.text_); }
    // By value: the previous text leaves with the parameter, and is wiped there.
    SecretString& operator=(SecretString other) noexcept {
        text_.swap(other.text_);
        return *this;
    }
    ~SecretString() = default;

    // The text; valid until this object is assigned, moved from or destroyed.
    [[nodiscard]] std::string_view view() const { return {text_.data(), text_.size()}; }
    [[nodiscard]] bool empty() const { return text_.empty(); }

    // In constant time (see constant_time_equal).
    friend bool operator==(const SecretString& a, const SecretString& b) {
        return constant_time_equal(as_bytes(a.view()), as_bytes(b.view()));
    }

  private:
    std::vector<char, CleansingAllocator<char>> text_;
};

constexpr size_t kScramKeyBytes = 32;  // an SHA-256 digest (RFC 7677 §3)
using ScramKey = std::array<uint8_t, kScramKeyBytes>;

// What a server stores instead of a password: enough to check a client and to prove itself, not
// enough to log in (RFC 5802 §3, "Information stored"). Values are trusted: parse_scram_verifier
// has checked them or make_* has made them.
struct ScramVerifier {
    uint32_t iterations = 0;
    std::vector<uint8_t> salt;
    ScramKey stored_key{};
    ScramKey server_key{};

    friend bool operator==(const ScramVerifier&, const ScramVerifier&) = default;
};

// The two keys that do suffice to log in as a user wherever salt and iterations are the same (RFC
// 5802 §3): kept after a client's login for logging in to the server in its name. Wiped on
// destruction.
struct ScramKeys {
    ScramKey client_key{};
    ScramKey server_key{};

    ~ScramKeys() {  // copies are copies: each wipes itself
        OPENSSL_cleanse(client_key.data(), client_key.size());
        OPENSSL_cleanse(server_key.data(), server_key.size());
    }
};

// Reads "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>", the three last in base64
// (PostgreSQL documentation, pg_authid). Iterations: decimal, 1 .. 2^31-1; salt: 1 .. 1024 bytes;
// keys: 32 bytes. Anything else, surrounding white space included, is error 22023 without quoting
// the text.
Result<ScramVerifier> parse_scram_verifier(std::string_view text);

// The text that parse_scram_verifier reads back to the same value.
std::string format_scram_verifier(const ScramVerifier& verifier);

// The verifier of `password` (any bytes; SASLprep is applied as PostgreSQL does). `salt` is not
// empty (PostgreSQL takes 16 random bytes), `iterations` is 1 .. 2^31-1; both are asserted. Costs
// about 0.25 µs per iteration.
ScramVerifier make_scram_verifier(std::string_view password, ByteView salt, uint32_t iterations);

enum class SecretKind { Empty, Plain, Md5, Scram };

// Which form a stored secret has, decided as PostgreSQL's server does: "md5" followed by exactly 32
// lower-case hex digits; a SCRAM-SHA-256 verifier that parse_scram_verifier accepts; otherwise a
// plain password. So a damaged verifier counts as a (very odd) plain password.
SecretKind classify_secret(std::string_view secret);

}  // namespace weir
