// Whose certificate it is: the names in it, and whether they are those of the host that was meant,
// by libpq's rules (PostgreSQL documentation, "SSL Support", verify-full; RFC 6125): names in the
// extension subjectAltName; the common name only when the extension has none of their kind; a `*`
// only as the whole first label, for exactly one label. A name with a NUL in it is nobody's.
// Thread: any (values, pure functions).
#pragma once

#include <openssl/x509.h>

#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"

namespace weir {

struct CertificateNames {
    std::string common_name;  // the last one of the subject; empty = none
    std::string subject;      // RFC 2253: "CN=app,O=Example"
    std::vector<std::string> dns_names;
    std::vector<std::string> addresses;  // 4 or 16 bytes each, network order
    std::vector<std::string> emails;
};

CertificateNames names_in(const X509& certificate);

// May a server that shows these names be the one called `host` (a name or an address)?
// Error: 08006 "server certificate for ... does not match host name ...".
Status check_host(const CertificateNames& names, const std::string& host);

// Is `host` what `pattern` stands for? Letter case does not count.
bool matches_host(std::string_view pattern, std::string_view host);

// Is it an address rather than a name?
bool is_address(const std::string& host);

}  // namespace weir
