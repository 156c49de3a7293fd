#include "tests/support/certificates.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "protocol/base/check.h"

namespace weir::test {

namespace {

constexpr long kHour = 3600;

std::string text_of(BIO* bio) {
    const char* text = nullptr;
    const long bytes = BIO_get_mem_data(bio, &text);
    return {text, static_cast<size_t>(bytes)};
}

void add_extension(X509* to, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, to, to, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    WEIR_CHECK(extension != nullptr);
    WEIR_CHECK(X509_add_ext(to, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

void set_serial(X509* certificate) {
    uint64_t serial = 0;
    WEIR_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1);
}

}  // namespace

Identity::Identity(const Subject& subject, const Identity* issuer)
    : key_(subject.is_ed25519 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                              : EVP_EC_gen("prime256v1")),
      certificate_(X509_new()) {
    X509* made = certificate_.get();
    X509_set_version(made, X509_VERSION_3);
    set_serial(made);
    X509_gmtime_adj(X509_getm_notBefore(made), -24 * kHour);
    X509_gmtime_adj(X509_getm_notAfter(made), subject.is_expired ? -kHour : 24 * kHour);
    X509_NAME* name = X509_get_subject_name(made);
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>("Weir tests"), -1, -1, 0);
    if (!subject.common_name.empty()) {
        X509_NAME_add_entry_by_txt(
            name, "CN", MBSTRING_UTF8,
            reinterpret_cast<const unsigned char*>(subject.common_name.data()),
            static_cast<int>(subject.common_name.size()), -1, 0);
    }
    const Identity& signer = issuer == nullptr ? *this : *issuer;
    X509_set_issuer_name(made, X509_get_subject_name(signer.certificate_.get()));
    X509_set_pubkey(made, key_.get());
    add_extension(made, NID_basic_constraints,
                  subject.is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    std::string alternatives;
    for (const std::string& one : subject.alternatives)
        alternatives += (alternatives.empty() ? "" : ",") + one;
    if (!alternatives.empty()) add_extension(made, NID_subject_alt_name, alternatives);
    const bool signs_itself = EVP_PKEY_get_base_id(signer.key_.get()) == EVP_PKEY_ED25519;
    WEIR_CHECK(X509_sign(made, signer.key_.get(), signs_itself ? nullptr : EVP_sha256()) > 0);
}

std::string Identity::certificate_pem() const {
    const BioPtr out(BIO_new(BIO_s_mem()));
    WEIR_CHECK(PEM_write_bio_X509(out.get(), certificate_.get()) == 1);
    return text_of(out.get());
}

std::string Identity::key_pem(const char* passphrase) const {
    const BioPtr out(BIO_new(BIO_s_mem()));
    const EVP_CIPHER* cipher = passphrase == nullptr ? nullptr : EVP_aes_128_cbc();
    WEIR_CHECK(PEM_write_bio_PrivateKey(out.get(), key_.get(), cipher, nullptr, 0, nullptr,
                                        const_cast<char*>(passphrase)) == 1);
    return text_of(out.get());
}

std::string Identity::revocation_list_pem(const std::vector<const Identity*>& of) const {
    const std::unique_ptr<X509_CRL, FreeWith<X509_CRL_free>> list(X509_CRL_new());
    X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(certificate_.get()));
    ASN1_TIME* time = ASN1_TIME_new();
    X509_gmtime_adj(time, -kHour);
    X509_CRL_set1_lastUpdate(list.get(), time);
    for (const Identity* revoked : of) {
        X509_REVOKED* entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked->certificate_.get()));
        X509_REVOKED_set_revocationDate(entry, time);
        WEIR_CHECK(X509_CRL_add0_revoked(list.get(), entry) == 1);
    }
    X509_gmtime_adj(time, 24 * kHour);
    X509_CRL_set1_nextUpdate(list.get(), time);
    ASN1_TIME_free(time);
    WEIR_CHECK(X509_CRL_sign(list.get(), key_.get(), EVP_sha256()) > 0);
    const BioPtr out(BIO_new(BIO_s_mem()));
    WEIR_CHECK(PEM_write_bio_X509_CRL(out.get(), list.get()) == 1);
    return text_of(out.get());
}

}  // namespace weir::test
