// Unicode normalisation form KC (Unicode Standard Annex #15; Unicode Standard chapter 3, D112-D117)
// of text whose code points Unicode 3.2 assigned: what SASLprep needs and no more. Others are left
// alone.
// Thread: any.
#pragma once

#include <vector>

#include "protocol/auth/secret.h"

namespace weir {

using CodePoints = std::vector<char32_t, CleansingAllocator<char32_t>>;  // of a secret

// The NFKC form of `text`: full compatibility decomposition, canonical order, composition.
CodePoints to_nfkc(const CodePoints& text);

}  // namespace weir
