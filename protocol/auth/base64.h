// Base64 in its canonical form, as SCRAM messages and verifiers carry it: the alphabet A-Z a-z 0-9
// + / with '=' padding (RFC 5802 §7, production "base64"; RFC 4648 §4).
// Pure functions. Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/bytes.h"

namespace weir {

// The padded encoding of `bytes`; empty for no bytes.
std::string base64_encode(ByteView bytes);

// The bytes `text` encodes. Nothing unless `text` is exactly what base64_encode would write: white
// space, missing or extra padding, other alphabets and stray bits in the last symbol are all
// refused, so that one value has one spelling. Empty text gives no bytes.
std::optional<std::vector<uint8_t>> base64_decode(std::string_view text);

}  // namespace weir
