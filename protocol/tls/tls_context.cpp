#include "protocol/tls/tls_context.h"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "protocol/base/bytes.h"
#include "protocol/tls/pem.h"
#include "protocol/tls/tls_stream.h"

namespace weir {

namespace {

// As it stands in a list: with its length before it.
constexpr std::string_view kAlpnList = "\x0apostgresql";
static_assert(kAlpnList.size() == kTlsAlpn.size() + 1);

// Several records are read at once where they are there; given back when empty. From 64 kB on, each
// free() would tidy up all of the heap (glibc).
constexpr size_t kReadBytes = 48 * 1024;

int choose_alpn(SSL*, const unsigned char** out, unsigned char* out_bytes, const unsigned char* in,
                unsigned in_bytes, void*) {
    unsigned char* chosen = nullptr;
    const auto* ours = reinterpret_cast<const unsigned char*>(kAlpnList.data());
    const int result = SSL_select_next_proto(&chosen, out_bytes, ours,
                                             static_cast<unsigned>(kAlpnList.size()), in, in_bytes);
    *out = chosen;
    // Who speaks something else has come to the wrong place.
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool is_default_word(std::string_view ciphers) {
    constexpr std::string_view kWords[] = {"", "default", "secure", "fast", "normal"};
    return std::find(std::begin(kWords), std::end(kWords), ciphers) != std::end(kWords);
}

tl::unexpected<Error> bad_option(const TlsSettings& settings, const char* name,
                                 const std::string& value, const std::string& why) {
    return fail("F0000", settings.prefix + name + " = " + value + ": " + why);
}

void set_modes(SSL_CTX* context, TlsSide side) {
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    // Without NO_AUTO_CHAIN, a chain to the root would be sought anew in each handshake.
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, kReadBytes);
    const auto* list = reinterpret_cast<const unsigned char*>(kAlpnList.data());
    if (side == TlsSide::Accept) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_num_tickets(context, 0);
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_alpn_select_cb(context, choose_alpn, nullptr);
    } else {
        SSL_CTX_set_alpn_protos(context, list, static_cast<unsigned>(kAlpnList.size()));
    }
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::make(const TlsSettings& settings) {
    const std::shared_ptr<TlsContext> made(new TlsContext(settings));
    ERR_clear_error();
    if (Status done = made->set_up(settings); !done) return tl::unexpected<Error>(done.error());
    return std::shared_ptr<const TlsContext>(made);
}

Status TlsContext::set_up(const TlsSettings& settings) {
    const bool accepts = side_ == TlsSide::Accept;
    handle_.reset(SSL_CTX_new(accepts ? TLS_server_method() : TLS_client_method()));
    if (handle_ == nullptr) return fail("F0000", "TLS is not available: " + take_openssl_reason());
    SSL_CTX* context = handle_.get();
    set_modes(context, side_);
    if (settings.may_use_kernel) SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
    if (!accepts) {
        // Sessions are told to their stream, and kept by nobody else.
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, TlsStream::on_session);
    }
    const Result<TlsVersions> versions = parse_tls_versions(settings.protocols);
    if (!versions) {
        return bad_option(settings, "_protocols", settings.protocols, versions.error().message);
    }
    SSL_CTX_set_min_proto_version(context, versions->min);
    SSL_CTX_set_max_proto_version(context, versions->max);
    SSL_CTX_set_options(context, versions->disabled);
    if (Status done = set_up_algorithms(settings); !done) return done;
    if (Status done = set_up_certificate(settings); !done) return done;
    if (settings.verify == TlsVerify::Nothing) {
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
        return {};
    }
    if (settings.authorities.is_set()) {
        if (Status done = load_authorities(context, settings.authorities); !done) return done;
    } else if (accepts) {
        return fail("F0000", settings.prefix + "_sslmode asks for certificates of clients; set " +
                                 settings.authorities.option);
    } else if (SSL_CTX_set_default_verify_paths(context) != 1) {
        return fail("F0000", "the system's certificate authorities: " + take_openssl_reason());
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    return {};
}

Status TlsContext::set_up_certificate(const TlsSettings& settings) {
    const TlsFile& certificate = settings.certificate;
    const TlsFile& key = settings.key;
    if (side_ == TlsSide::Accept && (!certificate.is_set() || !key.is_set())) {
        return fail("F0000", "to let clients use TLS, " + key.option + " and " +
                                 certificate.option + " must be set");
    }
    if (!certificate.is_set() && !key.is_set()) return {};
    if (!certificate.is_set() || !key.is_set()) {
        return fail("F0000",
                    key.option + " and " + certificate.option + " are only of use together");
    }
    if (Status done = load_certificate(handle_.get(), certificate); !done) return done;
    if (Status done = load_key(handle_.get(), key); !done) return done;
    if (SSL_CTX_check_private_key(handle_.get()) != 1)
        return fail_for(key, "is not the key of the certificate: " + take_openssl_reason());
    end_point_hash_ = end_point_hash_of(*SSL_CTX_get0_certificate(handle_.get()));
    return {};
}

Status TlsContext::set_up_algorithms(const TlsSettings& settings) {
    SSL_CTX* context = handle_.get();
    const std::string ciphers = settings.ciphers == "all" ? "ALL:!aNULL:!eNULL" : settings.ciphers;
    if (!is_default_word(ciphers) && SSL_CTX_set_cipher_list(context, ciphers.c_str()) != 1) {
        return bad_option(settings, "_ciphers", settings.ciphers, take_openssl_reason());
    }
    const std::string& suites = settings.tls13_ciphers;
    if (!suites.empty() && SSL_CTX_set_ciphersuites(context, suites.c_str()) != 1) {
        return fail("F0000", settings.prefix.substr(0, settings.prefix.find('_')) +
                                 "_tls13_ciphers = " + suites + ": " + take_openssl_reason());
    }
    if (side_ == TlsSide::Connect) return {};
    if (settings.dheparams == "auto" || settings.dheparams == "legacy") {
        SSL_CTX_set_dh_auto(context, settings.dheparams == "auto" ? 1 : 2);  // 2: 1024 bits
    } else if (settings.dheparams != "none") {
        return bad_option(settings, "_dheparams", settings.dheparams, "use none, auto or legacy");
    }
    if (settings.ecdhcurve == "auto" || settings.ecdhcurve.empty()) return {};
    std::string groups = settings.ecdhcurve;
    if (groups == "none") groups = "ffdhe2048:ffdhe3072:ffdhe4096";
    std::replace(groups.begin(), groups.end(), ',', ':');
    if (SSL_CTX_set1_groups_list(context, groups.c_str()) != 1) {
        const std::string reason = take_openssl_reason();
        return bad_option(settings, "_ecdhcurve", settings.ecdhcurve,
                          "no such curve (" + reason +
                              "); use none, auto or a name as openssl "
                              "ecparam -list_curves tells it");
    }
    return {};
}

std::optional<std::string> end_point_hash_of(const X509& certificate) {
    int digest_nid = NID_undef;
    auto* mutable_certificate = const_cast<X509*>(&certificate);  // OpenSSL caches in it
    if (X509_get_signature_info(mutable_certificate, &digest_nid, nullptr, nullptr, nullptr) != 1) {
        ERR_clear_error();
        return std::nullopt;
    }
    if (digest_nid == NID_md5 || digest_nid == NID_sha1) digest_nid = NID_sha256;
    const EVP_MD* algorithm = EVP_get_digestbynid(digest_nid);
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    unsigned bytes = 0;
    if (algorithm == nullptr || X509_digest(&certificate, algorithm, hash.data(), &bytes) != 1) {
        ERR_clear_error();
        return std::nullopt;
    }
    return std::string(reinterpret_cast<const char*>(hash.data()), bytes);
}

}  // namespace weir
