// PostgreSQL's md5 authentication (documentation, "Protocol Flow", AuthenticationMD5Password): the
// server keeps "md5" + hex(md5(password || user)); the client answers a 4-byte salt with
// "md5" + hex(md5(hex || salt)). MD5 is broken and offered for old clients only; when OpenSSL
// refuses it (FIPS mode) the functions below give empty text or false, so that the login fails.
// Pure functions. Thread: any.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace weir {

// True for "md5" followed by exactly 32 of 0-9a-f (upper-case digits are not an md5 secret to
// PostgreSQL either).
bool is_md5_secret(std::string_view text);

// What the server stores for this user's password: 35 characters, or empty without MD5.
std::string md5_secret(std::string_view password, std::string_view user);

// The PasswordMessage body (without its NUL) that answers `salt`, given the stored secret: 35
// characters, or empty without MD5 or when `secret` is not an md5 secret.
std::string md5_response(std::string_view secret, std::span<const uint8_t, 4> salt);

// True when `response` is md5_response(secret, salt); compared in constant time. False for anything
// malformed on either side.
bool md5_verify(std::string_view secret, std::span<const uint8_t, 4> salt,
                std::string_view response);

}  // namespace weir
