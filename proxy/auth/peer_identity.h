// PeerIdentity: who is at the other end of a connection, as the connection itself knows it and no
// password does. Filled before the start-up packet is read. Thread: any (values).
#pragma once

#include <string>
#include <vector>

namespace weir {

struct PeerIdentity {
    // A TLS certificate was shown and is vouched for by client_tls_ca_file.
    bool has_certificate = false;
    std::string common_name;
    std::vector<std::string> alternative_names;  // its DNS names
};

}  // namespace weir
