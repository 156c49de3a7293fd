// Debian's civetweb loads OpenSSL while it runs, and does so as if it were OpenSSL 1.1: it looks
// for libraries by names that only a development package installs (`libssl.so`), and for a function
// that OpenSSL 3 does not have any more (`SSL_get_peer_certificate`), without which it calls a null
// pointer. This process is linked with OpenSSL, and civetweb has to use just that one, since its
// contexts come from us. So our executable has
//
//   dlopen                    which takes those two names for the process itself, where all of
//                             OpenSSL is found, and passes all others on
//   SSL_get_peer_certificate  which is SSL_get1_peer_certificate by its old name
//
// Thread: any.
#pragma once

namespace weir {

// Has to be called somewhere, or the linker leaves them out. True when civetweb will find them.
[[nodiscard]] bool has_openssl_names();

}  // namespace weir
