#include "admin/http/openssl_names.h"

#include <dlfcn.h>
#include <openssl/ssl.h>

#include <string_view>

#undef SSL_get_peer_certificate

extern "C" {

__attribute__((visibility("default"), used)) void* dlopen(const char* file, int mode) {
    using Dlopen = void* (*)(const char*, int);
    static const auto next = reinterpret_cast<Dlopen>(dlsym(RTLD_NEXT, "dlopen"));
    const std::string_view name = file == nullptr ? "" : file;
    if (name == "libssl.so" || name == "libcrypto.so") return next(nullptr, mode);
    return next(file, mode);
}

__attribute__((visibility("default"), used)) X509* SSL_get_peer_certificate(const SSL* connection) {
    return SSL_get1_peer_certificate(connection);
}

}  // extern "C"

namespace weir {

bool has_openssl_names() {
    void* found = ::dlopen("libssl.so", RTLD_LAZY);
    if (found == nullptr) return false;
    const bool has_all = dlsym(found, "SSL_get_peer_certificate") != nullptr &&
                         dlsym(found, "SSL_accept") != nullptr;
    dlclose(found);
    return has_all;
}

}  // namespace weir
