// SASLprep (RFC 4013): how SCRAM writes a password before hashing it, so that one password typed on
// two keyboards gives the same bytes. Done exactly as PostgreSQL's server and libpq do it, because
// a proxy that prepares differently cannot log in.
// Pure functions. Thread: any.
#pragma once

#include <string>
#include <string_view>

namespace weir {

// The prepared form of a password; never fails:
//   - ASCII text is returned as it is, control characters and NUL included;
//   - non-ASCII spaces become U+0020, invisible characters (RFC 3454 B.1) go, the rest is brought
//     to NFKC;
//   - when RFC 4013 has no answer, the input is returned unchanged: it is not well-formed UTF-8,
//     nothing is left after the mapping, a code point is prohibited or was unassigned in
//     Unicode 3.2, or the rules for right-to-left text are broken.
// Where PostgreSQL departs from the RFC, so do we: prohibition and direction are checked after the
// mapping but before NFKC.
// The result is a secret; hand it to SecretString::take.
std::string saslprep(std::string_view password);

}  // namespace weir
