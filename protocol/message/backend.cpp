#include "protocol/message/backend.h"

namespace weir {

std::optional<AuthView> view_auth(ByteView body) {
    ByteReader r(body);
    AuthView view;
    view.request = r.i32();
    if (!r.ok()) return std::nullopt;
    view.data = r.rest();
    return view;
}

std::optional<ParameterStatusView> view_parameter_status(ByteView body) {
    ByteReader r(body);
    ParameterStatusView view;
    view.name = r.cstring();
    view.value = r.cstring();
    if (!r.ok() || !r.at_end()) return std::nullopt;
    return view;
}

std::optional<uint64_t> view_backend_key_data(ByteView body) {
    ByteReader r(body);
    const uint64_t high = r.u32();
    const uint64_t key = high << 32 | r.u32();
    if (!r.ok() || !r.at_end()) return std::nullopt;
    return key;
}

std::optional<TransactionStatus> view_ready_for_query(ByteView body) {
    if (body.size() != 1) return std::nullopt;
    if (body[0] != 'I' && body[0] != 'T' && body[0] != 'E') return std::nullopt;
    return static_cast<TransactionStatus>(body[0]);
}

std::optional<std::string_view> view_command_complete(ByteView body) {
    ByteReader r(body);
    const std::string_view tag = r.cstring();
    if (!r.ok() || !r.at_end()) return std::nullopt;
    return tag;
}

ErrorView view_error(ByteView body) {
    ByteReader r(body);
    ErrorView view;
    while (r.ok() && !r.at_end()) {
        const char code = static_cast<char>(r.u8());
        if (code == 0) break;
        const std::string_view value = r.cstring();
        switch (code) {
            case 'S':
                if (view.severity.empty()) view.severity = value;
                break;
            case 'V': view.severity = value; break;  // never localised, so it wins over S
            case 'C': view.sqlstate = value; break;
            case 'M': view.message = value; break;
            case 'D': view.detail = value; break;
            case 'H': view.hint = value; break;
            case 'R': view.routine = value; break;
            default: break;
        }
    }
    return view;
}

}  // namespace weir
