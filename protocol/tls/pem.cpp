#include "protocol/tls/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "protocol/tls/handles.h"

namespace weir {

namespace {

struct FreeInfos {
    void operator()(STACK_OF(X509_INFO) * infos) const {
        sk_X509_INFO_pop_free(infos, X509_INFO_free);
    }
};
using InfosPtr = std::unique_ptr<STACK_OF(X509_INFO), FreeInfos>;

BioPtr reader_of(const TlsFile& file) {
    const std::string_view text = file.content.view();
    return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// OpenSSL would ask at the terminal otherwise.
int no_passphrase(char*, int, int, void*) {
    return -1;
}

}  // namespace

tl::unexpected<Error> fail_for(const TlsFile& file, const std::string& why) {
    return fail("F0000", file.option + " \"" + file.path + "\": " + why);
}

Status load_certificate(SSL_CTX* context, const TlsFile& file) {
    ERR_clear_error();
    const BioPtr reader = reader_of(file);
    const CertificatePtr leaf(PEM_read_bio_X509_AUX(reader.get(), nullptr, no_passphrase, nullptr));
    if (leaf == nullptr || SSL_CTX_use_certificate(context, leaf.get()) != 1)
        return fail_for(file, "no usable certificate: " + take_openssl_reason());
    while (X509* link = PEM_read_bio_X509(reader.get(), nullptr, no_passphrase, nullptr)) {
        if (SSL_CTX_add0_chain_cert(context, link) == 1) continue;
        X509_free(link);
        return fail_for(file, "unusable certificate in the chain: " + take_openssl_reason());
    }
    const unsigned long last = ERR_peek_last_error();
    const bool is_end =
        ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    if (last != 0 && !is_end)
        return fail_for(file, "broken certificate in the chain: " + take_openssl_reason());
    ERR_clear_error();
    return {};
}

Status load_key(SSL_CTX* context, const TlsFile& file) {
    ERR_clear_error();
    const BioPtr reader = reader_of(file);
    const KeyPtr key(PEM_read_bio_PrivateKey(reader.get(), nullptr, no_passphrase, nullptr));
    if (key == nullptr) {
        const bool is_locked = file.content.view().find("ENCRYPTED") != std::string_view::npos;
        const std::string reason = take_openssl_reason();
        return fail_for(file, is_locked ? "the key is protected by a passphrase; store it without"
                                        : "no usable private key: " + reason);
    }
    if (SSL_CTX_use_PrivateKey(context, key.get()) != 1)
        return fail_for(file, "the key does not fit: " + take_openssl_reason());
    return {};
}

Status load_authorities(SSL_CTX* context, const TlsFile& file) {
    ERR_clear_error();
    const BioPtr reader = reader_of(file);
    const InfosPtr infos(PEM_X509_INFO_read_bio(reader.get(), nullptr, no_passphrase, nullptr));
    if (infos == nullptr) return fail_for(file, take_openssl_reason());
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    int certificates = 0;
    bool has_list = false;
    for (int i = 0; i < sk_X509_INFO_num(infos.get()); ++i) {
        const X509_INFO* info = sk_X509_INFO_value(infos.get(), i);
        if (info->x509 != nullptr) certificates += X509_STORE_add_cert(store, info->x509);
        if (info->crl != nullptr) has_list = X509_STORE_add_crl(store, info->crl) == 1 || has_list;
    }
    ERR_clear_error();
    if (certificates == 0) return fail_for(file, "no certificate in it");
    if (has_list) X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return {};
}

}  // namespace weir
