#include "protocol/auth/scram_crypto.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <limits>

#include "protocol/base/check.h"

namespace weir {

namespace {

constexpr size_t kIntMax = static_cast<size_t>(std::numeric_limits<int>::max());

}  // namespace

ScramKey sha256(ByteView data) {
    ScramKey digest;
    WEIR_CHECK(SHA256(data.data(), data.size(), digest.data()) != nullptr);
    return digest;
}

ScramKey hmac_sha256(ByteView key, ByteView data) {
    WEIR_CHECK(!key.empty() && key.size() <= kIntMax);
    ScramKey mac;
    unsigned mac_bytes = 0;
    WEIR_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), data.data(),
                    data.size(), mac.data(), &mac_bytes) != nullptr);
    WEIR_CHECK(mac_bytes == mac.size());
    return mac;
}

ScramKey xor_keys(const ScramKey& a, const ScramKey& b) {
    ScramKey out;
    for (size_t i = 0; i < out.size(); ++i) {
        out[i] = a[i] ^ b[i];
    }
    return out;
}

ScramKeys derive_scram_keys(std::string_view prepared_password, ByteView salt,
                            uint32_t iterations) {
    WEIR_CHECK(!salt.empty() && salt.size() <= kIntMax);
    WEIR_CHECK(iterations >= 1 && iterations <= kIntMax);
    WEIR_CHECK(prepared_password.size() <= kIntMax);
    ScramKey salted;
    WEIR_CHECK(
        PKCS5_PBKDF2_HMAC(prepared_password.data(), static_cast<int>(prepared_password.size()),
                          salt.data(), static_cast<int>(salt.size()), static_cast<int>(iterations),
                          EVP_sha256(), static_cast<int>(salted.size()), salted.data()) == 1);
    ScramKeys keys;
    keys.client_key = hmac_sha256(salted, as_bytes("Client Key"));
    keys.server_key = hmac_sha256(salted, as_bytes("Server Key"));
    OPENSSL_cleanse(salted.data(), salted.size());
    return keys;
}

}  // namespace weir
