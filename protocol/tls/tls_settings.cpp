#include "protocol/tls/tls_settings.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "protocol/base/check.h"

namespace weir {

namespace {

struct Version {
    std::string_view word;
    int number;
    uint64_t off;
};
constexpr std::array<Version, 4> kVersions{{{"tlsv1.0", TLS1_VERSION, SSL_OP_NO_TLSv1},
                                            {"tlsv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1},
                                            {"tlsv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2},
                                            {"tlsv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3}}};

// Bit i: kVersions[i]. 0: no such word.
unsigned versions_of(std::string_view word) {
    constexpr unsigned kAll = 0b1111;
    if (word == "all" || word == "legacy" || word == "tlsv1") return kAll;
    if (word == "secure" || word == "default") return 0b1100;
    for (size_t i = 0; i < kVersions.size(); ++i) {
        if (word == kVersions[i].word) return 1U << i;
    }
    return 0;
}

class Digest {
  public:
    Digest() : context_(EVP_MD_CTX_new()) {
        WEIR_CHECK(context_ != nullptr);
        WEIR_CHECK(EVP_DigestInit_ex(context_, EVP_sha256(), nullptr) == 1);
    }
    ~Digest() { EVP_MD_CTX_free(context_); }
    Digest(const Digest&) = delete;
    Digest& operator=(const Digest&) = delete;

    // With its length, so that no two lists of texts run together alike.
    void add(std::string_view text) {
        const uint64_t bytes = text.size();
        EVP_DigestUpdate(context_, &bytes, sizeof bytes);
        EVP_DigestUpdate(context_, text.data(), text.size());
    }
    std::string finish() {
        std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
        unsigned size = 0;
        EVP_DigestFinal_ex(context_, out.data(), &size);
        return {reinterpret_cast<const char*>(out.data()), size};
    }

  private:
    EVP_MD_CTX* context_;
};

}  // namespace

std::string fingerprint(const TlsSettings& settings) {
    Digest digest;
    digest.add(settings.side == TlsSide::Accept ? "accept" : "connect");
    digest.add(std::to_string(static_cast<int>(settings.verify)));
    for (const std::string* text : {&settings.protocols, &settings.ciphers, &settings.tls13_ciphers,
                                    &settings.dheparams, &settings.ecdhcurve}) {
        digest.add(*text);
    }
    for (const TlsFile* file : {&settings.authorities, &settings.certificate, &settings.key}) {
        digest.add(file->is_set() ? "file" : "none");
        digest.add(file->content.view());
    }
    return digest.finish();
}

Result<TlsVersions> parse_tls_versions(const std::string& text) {
    std::string lower = text;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    unsigned wanted = 0;
    std::string_view rest = lower;
    while (!rest.empty()) {
        const size_t end = std::min(rest.find_first_of(",: "), rest.size());
        std::string_view word = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (word.empty()) continue;
        const bool is_removed = word.front() == '!';
        if (is_removed) word.remove_prefix(1);
        const unsigned versions = versions_of(word);
        if (versions == 0) {
            return fail("F0000", "\"" + std::string(word) +
                                     "\" is no TLS version; use tlsv1.0, tlsv1.1, tlsv1.2, "
                                     "tlsv1.3, secure, legacy or all");
        }
        wanted = is_removed ? wanted & ~versions : wanted | versions;
    }
    TlsVersions out;
    for (size_t i = 0; i < kVersions.size(); ++i) {
        if ((wanted >> i & 1) == 0) continue;
        if (out.min == 0) out.min = kVersions[i].number;
        out.max = kVersions[i].number;
    }
    if (out.min == 0) return fail("F0000", "no TLS version is left; use secure");
    for (size_t i = 0; i < kVersions.size(); ++i) {
        const bool is_between = kVersions[i].number > out.min && kVersions[i].number < out.max;
        if (is_between && (wanted >> i & 1) == 0) out.disabled |= kVersions[i].off;
    }
    return out;
}

}  // namespace weir
