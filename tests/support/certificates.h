// Certificates made for a test, in memory: an authority and what it signs. Elliptic curve keys, so
// that it takes no time. Thread: any.
#pragma once

#include <string>
#include <vector>

#include "protocol/tls/handles.h"

namespace weir::test {

struct Subject {
    std::string common_name = {};                // empty: none
    std::vector<std::string> alternatives = {};  // as openssl.cnf has them: "DNS:db", "IP:10.0.0.1"
    bool is_authority = false;
    bool is_expired = false;
    bool is_ed25519 = false;
};

class Identity {
  public:
    // Signed by `issuer`, or by itself.
    explicit Identity(const Subject& subject, const Identity* issuer = nullptr);

    [[nodiscard]] const X509& certificate() const { return *certificate_; }
    [[nodiscard]] std::string certificate_pem() const;
    [[nodiscard]] std::string key_pem(const char* passphrase = nullptr) const;
    // A revocation list of this authority's with these certificates in it.
    [[nodiscard]] std::string revocation_list_pem(const std::vector<const Identity*>& of) const;

  private:
    KeyPtr key_;
    CertificatePtr certificate_;
};

}  // namespace weir::test
