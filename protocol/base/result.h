// Result<T> and Status: how fallible functions answer. The error carries an SQLSTATE and a text in
// PostgreSQL's style (lower case, no full stop), never a secret. Nothing here throws.
// Thread: any (values).
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace weir {

struct Error {
    std::string sqlstate = "XX000";
    std::string message;
    std::string detail = {};  // what goes into the DETAIL field, if anything

    Error(std::string_view state, std::string text) : sqlstate(state), message(std::move(text)) {}
    explicit Error(std::string text) : message(std::move(text)) {}
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = tl::expected<void, Error>;

// `return fail("08P01", "invalid message length");`
inline tl::unexpected<Error> fail(std::string_view sqlstate, std::string message) {
    return tl::unexpected<Error>(Error(sqlstate, std::move(message)));
}
inline tl::unexpected<Error> fail(std::string message) {
    return tl::unexpected<Error>(Error(std::move(message)));
}

}  // namespace weir
