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

std::optional<CancelKey> view_backend_key_data(ByteView body) {
    ByteReader r(body);
    CancelKey key;
    key.process_id = r.u32();
    const ByteView secret = r.rest();
    if (!r.ok() || secret.size() < kCancelSecretBytesMin || secret.size() > kCancelSecretBytesMax)
        return std::nullopt;
    key.secret = as_text(secret);
    return key;
}

std::optional<NegotiationView> view_negotiation(ByteView body) {
    ByteReader r(body);
    NegotiationView view;
    view.version = r.u32();
    view.unknown_options = r.u32();
    if (!r.ok()) return std::nullopt;
    return view;
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
