// SecretKey: whose secret is asked for. The same name may have another password in every database.
// Thread: any (values).
#pragma once

#include <compare>
#include <string>

namespace weir {

struct SecretKey {
    std::string database;  // as clients name it
    std::string user;
    friend auto operator<=>(const SecretKey&, const SecretKey&) = default;
};

}  // namespace weir
