#include "admin/http/settings.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/sha.h>

#include "conf/ini.h"
#include "protocol/auth/base64.h"
#include "proxy/server/parameters.h"

namespace weir {

namespace {

constexpr size_t kTokenBytesMax = 4096;

tl::unexpected<Error> openssl_failure(const char* option, const std::string& path) {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return fail("F0000", std::string(option) + " \"" + path +
                             "\": " + (reason == nullptr ? "cannot be used" : reason));
}

Result<std::string> read_token(const GlobalConfig& global) {
    if (global.metrics_token_file.empty()) return global.metrics_token;
    const std::string where = "metrics_token_file \"" + global.metrics_token_file + "\": ";
    if (!global.metrics_token.empty())
        return fail("F0000", "both metrics_token and metrics_token_file are set; keep one of them");
    const Result<std::string> text = read_file(global.metrics_token_file);
    if (!text) return fail("F0000", where + text.error().message);
    const size_t begin = text->find_first_not_of(" \t\r\n");
    if (begin == std::string::npos) return fail("F0000", where + "there is no token in it");
    std::string token = text->substr(begin, text->find_last_not_of(" \t\r\n") - begin + 1);
    if (token.size() > kTokenBytesMax) return fail("F0000", where + "the token is too long");
    for (const char c : token) {
        if (c <= ' ' || c > '~') {
            return fail("F0000", where + "not a token; give printable ASCII without blanks");
        }
    }
    return token;
}

Result<std::shared_ptr<SSL_CTX>> read_tls(const GlobalConfig& global) {
    const std::string& certificate = global.metrics_tls_cert_file;
    const std::string& key = global.metrics_tls_key_file;
    if (certificate.empty() && key.empty()) return nullptr;
    if (certificate.empty() || key.empty()) {
        return fail("F0000", std::string(certificate.empty() ? "metrics_tls_cert_file"
                                                             : "metrics_tls_key_file") +
                                 " is not set; set it, or neither of the two");
    }
    ERR_clear_error();
    std::shared_ptr<SSL_CTX> out(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    if (out == nullptr) return openssl_failure("metrics_tls_cert_file", certificate);
    SSL_CTX_set_min_proto_version(out.get(), TLS1_2_VERSION);
    SSL_CTX_set_options(out.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE);
    if (SSL_CTX_use_certificate_chain_file(out.get(), certificate.c_str()) != 1)
        return openssl_failure("metrics_tls_cert_file", certificate);
    if (SSL_CTX_use_PrivateKey_file(out.get(), key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(out.get()) != 1)
        return openssl_failure("metrics_tls_key_file", key);
    return out;
}

bool starts_with_word(std::string_view text, std::string_view word) {
    return text.size() > word.size() && equals_ignoring_case(text.substr(0, word.size()), word) &&
           text[word.size()] == ' ';
}

}  // namespace

TokenHash::TokenHash(std::string_view token) {
    SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), hash_.data());
}

bool TokenHash::matches(std::string_view token) const {
    const TokenHash other(token);
    return CRYPTO_memcmp(hash_.data(), other.hash_.data(), hash_.size()) == 0;
}

Result<HttpSettings> read_http_settings(const GlobalConfig& global) {
    HttpSettings out;
    Result<std::optional<MetricsAddress>> address = parse_metrics_address(global.metrics_listen);
    if (!address) return tl::unexpected<Error>(address.error());
    if (!*address) return out;
    out.address = std::move(*address);
    Result<std::string> token = read_token(global);
    if (!token) return tl::unexpected<Error>(token.error());
    if (!token->empty()) out.access.token = TokenHash(*token);
    Result<std::shared_ptr<SSL_CTX>> tls = read_tls(global);
    if (!tls) return tl::unexpected<Error>(tls.error());
    out.access.tls = std::move(*tls);
    return out;
}

bool is_authorized(const std::optional<TokenHash>& token, const char* authorization) {
    if (!token) return true;
    if (authorization == nullptr) return false;
    const std::string_view text = authorization;
    if (starts_with_word(text, "Bearer")) return token->matches(text.substr(7));
    if (!starts_with_word(text, "Basic")) return false;
    const std::optional<std::vector<uint8_t>> decoded = base64_decode(text.substr(6));
    if (!decoded) return false;
    const std::string pair(decoded->begin(), decoded->end());
    const size_t colon = pair.find(':');
    return colon != std::string::npos && token->matches(std::string_view(pair).substr(colon + 1));
}

}  // namespace weir
