// Views of what a client sends. Each takes a message body (after tag and length) and gives views
// into it, or nothing when the body is malformed or, where "prefix" is said, too short to tell yet.
// Source: PostgreSQL documentation, Message Formats.
// Thread: any (pure functions).
#pragma once

#include <optional>
#include <string_view>

#include "protocol/base/bytes.h"

namespace weir {

struct QueryView {
    std::string_view sql;
};
std::optional<QueryView> view_query(ByteView body);

struct ParseView {
    std::string_view name;
    std::string_view sql;
    ByteView text_and_types;  // sql, its NUL, and the parameter types: what identifies a statement
    uint16_t type_count = 0;
};
std::optional<ParseView> view_parse(ByteView body);

// Bind, as far as its two names; works on a prefix of the body.
struct BindView {
    std::string_view portal;
    std::string_view statement;
    size_t names_bytes = 0;  // both names with their NULs: the rest of the body follows
};
std::optional<BindView> view_bind_prefix(ByteView body);

// Describe and Close.
struct TargetView {
    char kind = 0;  // 'S' statement, 'P' portal
    std::string_view name;
};
std::optional<TargetView> view_target(ByteView body);

struct ExecuteView {
    std::string_view portal;
    int32_t rows_max = 0;
};
std::optional<ExecuteView> view_execute(ByteView body);

struct SaslInitialView {
    std::string_view mechanism;
    std::string_view data;
};
std::optional<SaslInitialView> view_sasl_initial(ByteView body);

// PasswordMessage: the text before its NUL.
std::optional<std::string_view> view_password(ByteView body);

struct FunctionCallView {
    uint32_t function_oid = 0;
    uint16_t argument_count = 0;
};
std::optional<FunctionCallView> view_function_call(ByteView body);

std::optional<std::string_view> view_copy_fail(ByteView body);

}  // namespace weir
