#include "protocol/message/frontend.h"

namespace weir {

std::optional<QueryView> view_query(ByteView body) {
    ByteReader r(body);
    const QueryView view{r.cstring()};
    if (!r.ok() || !r.at_end()) return std::nullopt;
    return view;
}

std::optional<ParseView> view_parse(ByteView body) {
    ByteReader r(body);
    ParseView view;
    view.name = r.cstring();
    if (!r.ok()) return std::nullopt;
    view.text_and_types = body.last(r.remaining());
    view.sql = r.cstring();
    view.type_count = r.u16();
    r.bytes(size_t{view.type_count} * 4);
    if (!r.ok() || !r.at_end()) return std::nullopt;
    return view;
}

std::optional<BindView> view_bind_prefix(ByteView body) {
    ByteReader r(body);
    BindView view;
    view.portal = r.cstring();
    view.statement = r.cstring();
    if (!r.ok()) return std::nullopt;
    view.names_bytes = body.size() - r.remaining();
    return view;
}

std::optional<TargetView> view_target(ByteView body) {
    ByteReader r(body);
    TargetView view;
    view.kind = static_cast<char>(r.u8());
    view.name = r.cstring();
    if (!r.ok() || !r.at_end() || (view.kind != 'S' && view.kind != 'P')) return std::nullopt;
    return view;
}

std::optional<ExecuteView> view_execute(ByteView body) {
    ByteReader r(body);
    ExecuteView view;
    view.portal = r.cstring();
    view.rows_max = r.i32();
    if (!r.ok() || !r.at_end()) return std::nullopt;
    return view;
}

std::optional<SaslInitialView> view_sasl_initial(ByteView body) {
    ByteReader r(body);
    SaslInitialView view;
    view.mechanism = r.cstring();
    const int32_t length = r.i32();
    if (!r.ok()) return std::nullopt;
    if (length == -1) return r.at_end() ? std::optional(view) : std::nullopt;
    if (length < 0) return std::nullopt;
    view.data = as_text(r.bytes(static_cast<size_t>(length)));
    if (!r.ok() || !r.at_end()) return std::nullopt;
    return view;
}

std::optional<std::string_view> view_password(ByteView body) {
    ByteReader r(body);
    const std::string_view password = r.cstring();
    if (!r.ok() || !r.at_end()) return std::nullopt;
    return password;
}

std::optional<FunctionCallView> view_function_call(ByteView body) {
    ByteReader r(body);
    FunctionCallView view;
    view.function_oid = r.u32();
    const uint16_t formats = r.u16();
    r.bytes(size_t{formats} * 2);
    view.argument_count = r.u16();
    for (uint16_t i = 0; i < view.argument_count && r.ok(); ++i) {
        const int32_t bytes = r.i32();
        if (bytes > 0) r.bytes(static_cast<size_t>(bytes));
        if (bytes < -1) return std::nullopt;
    }
    r.u16();
    if (!r.ok() || !r.at_end()) return std::nullopt;
    return view;
}

std::optional<std::string_view> view_copy_fail(ByteView body) {
    return view_password(body);
}

}  // namespace weir
