#include "proxy/auth/secret_result.h"

#include <spdlog/fmt/fmt.h>

#include "conf/limits.h"
#include "protocol/message/backend.h"

namespace weir {

void SecretResult::refuse(std::string problem) {
    if (!problem_) problem_ = std::move(problem);
}

void SecretResult::on_message(BackendTag tag, ByteView body) {
    switch (tag) {
        case BackendTag::RowDescription: return on_columns(body);
        case BackendTag::DataRow: return on_row(body);
        case BackendTag::NoData: return refuse("expected 2 columns from auth_query, not 0");
        case BackendTag::ErrorResponse: {
            const ErrorView error = view_error(body);
            return refuse(fmt::format("error response from auth_query: {} {}: {}", error.severity,
                                      error.sqlstate, error.message));
        }
        case BackendTag::CopyInResponse:
        case BackendTag::CopyOutResponse:
        case BackendTag::CopyBothResponse: return refuse("unexpected response from auth_query");
        default: return;
    }
}

void SecretResult::on_columns(ByteView body) {
    const uint16_t columns = body.size() < 2 ? 0 : load_be16(body.data());
    has_columns_ = true;
    if (columns != 2) refuse(fmt::format("expected 2 columns from auth_query, not {}", columns));
}

// Source: PostgreSQL documentation, "Message Formats", DataRow.
void SecretResult::on_row(ByteView body) {
    if (has_row_) return refuse("auth_query returned more than one row");
    has_row_ = true;
    ByteReader reader(body);
    if (reader.u16() != 2) return refuse("unexpected response from auth_query");
    std::string_view values[2];
    bool is_null[2] = {false, false};
    for (size_t i = 0; i < 2; ++i) {
        const auto bytes = static_cast<int32_t>(reader.u32());
        is_null[i] = bytes < 0;
        if (!is_null[i]) values[i] = as_text(reader.bytes(static_cast<size_t>(bytes)));
    }
    if (!reader.ok()) return refuse("unexpected response from auth_query");
    if (is_null[0]) return refuse("auth_query response contained null user name");
    if (values[1].size() > kPasswordBytesMax)
        return refuse("the secret in the response from auth_query is too long");
    name_ = values[0];
    secret_ = SecretString(values[1]);
}

Result<UserSecret> SecretResult::take(std::string_view user) {
    if (problem_) return fail(*problem_);
    if (!has_columns_) return fail("unexpected response from auth_query");
    if (!has_row_) return UserSecret{};
    if (name_ != user)
        return fail(
            fmt::format("auth_query was asked for \"{}\" and answered \"{}\"", user, name_));
    return UserSecret{.is_known = true, .secret = std::move(secret_)};
}

}  // namespace weir
