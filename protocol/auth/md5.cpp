#include "protocol/auth/md5.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>

#include "protocol/auth/secret.h"
#include "protocol/base/bytes.h"

namespace weir {

namespace {

constexpr std::string_view kPrefix = "md5";
constexpr size_t kHexBytes = 32;
constexpr std::string_view kHexDigits = "0123456789abcdef";

struct DigestDeleter {
    void operator()(EVP_MD_CTX* digest) const { EVP_MD_CTX_free(digest); }
};

// "md5" + hex(md5(first || second)), or empty when MD5 is not available.
std::string md5_text(ByteView first, ByteView second) {
    const std::unique_ptr<EVP_MD_CTX, DigestDeleter> digest(EVP_MD_CTX_new());
    std::array<uint8_t, EVP_MAX_MD_SIZE> bytes{};
    unsigned size = 0;
    if (digest == nullptr || EVP_DigestInit_ex(digest.get(), EVP_md5(), nullptr) != 1 ||
        EVP_DigestUpdate(digest.get(), first.data(), first.size()) != 1 ||
        EVP_DigestUpdate(digest.get(), second.data(), second.size()) != 1 ||
        EVP_DigestFinal_ex(digest.get(), bytes.data(), &size) != 1) {
        return {};
    }
    std::string text(kPrefix);
    for (const uint8_t byte : ByteView(bytes).first(size)) {
        text += kHexDigits[byte >> 4];
        text += kHexDigits[byte & 15];
    }
    return text;
}

}  // namespace

bool is_md5_secret(std::string_view text) {
    return text.size() == kPrefix.size() + kHexBytes && text.starts_with(kPrefix) &&
           text.find_first_not_of(kHexDigits, kPrefix.size()) == std::string_view::npos;
}

std::string md5_secret(std::string_view password, std::string_view user) {
    return md5_text(as_bytes(password), as_bytes(user));
}

std::string md5_response(std::string_view secret, std::span<const uint8_t, 4> salt) {
    if (!is_md5_secret(secret)) return {};
    return md5_text(as_bytes(secret.substr(kPrefix.size())), salt);
}

bool md5_verify(std::string_view secret, std::span<const uint8_t, 4> salt,
                std::string_view response) {
    const std::string expected = md5_response(secret, salt);
    return !expected.empty() && constant_time_equal(as_bytes(expected), as_bytes(response));
}

}  // namespace weir
