#include "protocol/auth/secret.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "protocol/auth/base64.h"
#include "protocol/auth/md5.h"
#include "protocol/auth/saslprep.h"
#include "protocol/auth/scram_crypto.h"

namespace weir {

namespace {

constexpr std::string_view kScheme = "SCRAM-SHA-256$";
constexpr size_t kSaltBytesMax = 1024;

// The text before the first `separator`, which is consumed with it; nothing when there is none.
std::optional<std::string_view> take_until(std::string_view& rest, char separator) {
    const size_t at = rest.find(separator);
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view field = rest.substr(0, at);
    rest.remove_prefix(at + 1);
    return field;
}

bool read_iterations(std::string_view text, uint32_t& iterations) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), iterations);
    return error == std::errc() && end == text.data() + text.size() && iterations >= 1 &&
           iterations <= static_cast<uint32_t>(std::numeric_limits<int32_t>::max());
}

bool read_key(std::string_view text, ScramKey& key) {
    const auto bytes = base64_decode(text);
    if (!bytes || bytes->size() != key.size()) return false;
    std::copy(bytes->begin(), bytes->end(), key.begin());
    return true;
}

bool read_verifier(std::string_view text, ScramVerifier& verifier) {
    if (!text.starts_with(kScheme)) return false;
    text.remove_prefix(kScheme.size());
    const auto iterations = take_until(text, ':');
    if (!iterations || !read_iterations(*iterations, verifier.iterations)) return false;
    const auto salt_text = take_until(text, '$');
    if (!salt_text) return false;
    auto salt = base64_decode(*salt_text);
    if (!salt || salt->empty() || salt->size() > kSaltBytesMax) return false;
    verifier.salt = std::move(*salt);
    const auto stored_key = take_until(text, ':');
    return stored_key && read_key(*stored_key, verifier.stored_key) &&
           read_key(text, verifier.server_key);
}

}  // namespace

bool constant_time_equal(ByteView a, ByteView b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

SecretString SecretString::take(std::string& text) {
    SecretString secret(text);
    OPENSSL_cleanse(text.data(), text.size());
    text.clear();
    return secret;
}

Result<ScramVerifier> parse_scram_verifier(std::string_view text) {
    ScramVerifier verifier;
    if (!read_verifier(text, verifier)) return fail("22023", "invalid SCRAM-SHA-256 verifier");
    return verifier;
}

std::string format_scram_verifier(const ScramVerifier& verifier) {
    std::string text(kScheme);
    text += std::to_string(verifier.iterations);
    text += ':';
    text += base64_encode(verifier.salt);
    text += '$';
    text += base64_encode(verifier.stored_key);
    text += ':';
    text += base64_encode(verifier.server_key);
    return text;
}

ScramVerifier make_scram_verifier(std::string_view password, ByteView salt, uint32_t iterations) {
    std::string prepared = saslprep(password);
    const SecretString secret = SecretString::take(prepared);
    const ScramKeys keys = derive_scram_keys(secret.view(), salt, iterations);
    ScramVerifier verifier;
    verifier.iterations = iterations;
    verifier.salt.assign(salt.begin(), salt.end());
    verifier.stored_key = sha256(keys.client_key);
    verifier.server_key = keys.server_key;
    return verifier;
}

SecretKind classify_secret(std::string_view secret) {
    if (secret.empty()) return SecretKind::Empty;
    if (is_md5_secret(secret)) return SecretKind::Md5;
    return parse_scram_verifier(secret) ? SecretKind::Scram : SecretKind::Plain;
}

}  // namespace weir
