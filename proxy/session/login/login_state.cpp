#include "proxy/session/login/login_state.h"

#include <cstring>

#include "proxy/session/login/client_login.h"

namespace weir {

LoginState ClientLogin::save() const {
    LoginState out;
    out.encryption_requests = encryption_requests_;
    if (wanted_attrs_) out.wanted_attrs = static_cast<uint32_t>(*wanted_attrs_) + 1;
    for (const auto& [index, value] : wanted_)
        out.wanted.push_back({ctx_.shared.names.name(index), value});
    out.replication_options = replication_options_;
    out.is_unasked = session_.phase == ClientPhase::AuthWait;
    authentication_.save(out);
    return out;
}

void ClientLogin::resume(const LoginState& state) {
    is_resumed_ = true;
    is_unasked_ = state.is_unasked;
    encryption_requests_ = static_cast<uint8_t>(state.encryption_requests);
    const uint32_t attrs = state.wanted_attrs;
    if (attrs > 0 && attrs - 1 <= static_cast<uint32_t>(TargetSessionAttrs::PreferStandby))
        wanted_attrs_ = static_cast<TargetSessionAttrs>(attrs - 1);
    for (const NamedValue& it : state.wanted) {
        if (const int index = ctx_.shared.names.index_of(it.name); index >= 0)
            wanted_.emplace_back(static_cast<size_t>(index), it.value);
    }
    replication_options_ = state.replication_options;
    authentication_.resume(state);
}

void ClientLogin::go_on() {
    if (!is_resumed_ || session_.phase != ClientPhase::Authenticating) return;
    is_resumed_ = false;
    VirtualDatabase* console = ctx_.shared.console;
    is_console_ = console != nullptr && console->owns(session_.database);
    if (!is_console_) database_ = ctx_.config->find_database(session_.database);
    if (is_unasked_) return authenticate();
    on_authenticated();
}

void Authentication::save(LoginState& out) const {
    if (refusal_) {
        out.refusal_sqlstate = refusal_->sqlstate;
        out.refusal = refusal_->message;
    }
    out.answer_at = answer_at_;
    out.secret = secret_.secret.view();
    if (const auto keys = scram_keys()) {
        out.client_key = as_text(keys->client_key);
        out.server_key = as_text(keys->server_key);
    }
}

void Authentication::resume(const LoginState& state) {
    if (!state.refusal_sqlstate.empty()) refusal_.emplace(state.refusal_sqlstate, state.refusal);
    answer_at_ = state.answer_at;
    secret_ = {!state.secret.empty(), SecretString(state.secret)};
    const bool has_keys =
        state.client_key.size() == kScramKeyBytes && state.server_key.size() == kScramKeyBytes;
    if (!has_keys) return;
    auto keys = std::make_shared<ScramKeys>();
    std::memcpy(keys->client_key.data(), state.client_key.data(), kScramKeyBytes);
    std::memcpy(keys->server_key.data(), state.server_key.data(), kScramKeyBytes);
    resumed_keys_ = std::move(keys);
}

}  // namespace weir
