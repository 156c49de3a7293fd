#include "protocol/auth/scram_client.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "protocol/auth/base64.h"
#include "protocol/auth/saslprep.h"
#include "protocol/auth/scram_crypto.h"
#include "protocol/auth/scram_message.h"
#include "protocol/base/check.h"

namespace weir {

namespace {

// "<binding flag>,<no authorization identity>," (RFC 5802 §7).
std::string gs2_header(bool uses_binding) {
    return std::string(uses_binding ? kScramBindingFlag : "n") + ",,";
}

// posit-number of RFC 5802 §7: no sign, no leading zero; and within our limit.
std::optional<uint32_t> read_iterations(std::string_view text) {
    uint32_t value = 0;
    const char* text_end = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), text_end, value);
    if (error != std::errc() || end != text_end || text.front() == '0') return std::nullopt;
    if (value > kScramIterationsMax) return std::nullopt;
    return value;
}

// The error for "e=<reason>". The reason is the server's word: shortened, printable characters
// only.
tl::unexpected<Error> server_error(std::string_view message) {
    constexpr size_t kReasonBytesMax = 64;
    std::string reason(message.substr(2, kReasonBytesMax));
    const auto is_not_printable = [](char c) { return c < ' ' || c > '~'; };
    std::replace_if(reason.begin(), reason.end(), is_not_printable, '?');
    return fail("28P01", "server ended SCRAM authentication with error \"" + reason + "\"");
}

}  // namespace

ScramClient::ScramClient(std::string_view password, std::string client_nonce,
                         const std::optional<std::string>& channel_binding)
    : client_nonce_(std::move(client_nonce)),
      binding_input_(gs2_header(channel_binding.has_value()) + channel_binding.value_or("")),
      client_first_bare_("n=,r=" + client_nonce_) {
    WEIR_CHECK(is_scram_nonce(client_nonce_));
    std::string prepared = saslprep(password);
    password_ = SecretString::take(prepared);
}

ScramClient::ScramClient(const ScramKeys& keys, std::string client_nonce,
                         const std::optional<std::string>& channel_binding)
    : client_nonce_(std::move(client_nonce)),
      binding_input_(gs2_header(channel_binding.has_value()) + channel_binding.value_or("")),
      client_first_bare_("n=,r=" + client_nonce_),
      keys_(keys) {
    WEIR_CHECK(is_scram_nonce(client_nonce_));
}

void ScramClient::offer_cached(const ScramKeys& keys, ByteView salt, uint32_t iterations) {
    cached_ = Cached{keys, {salt.begin(), salt.end()}, iterations};
}

void ScramClient::note_binding_not_offered() {
    WEIR_CHECK(state_ == State::Start);
    WEIR_CHECK(binding_input_ == gs2_header(false));
    binding_input_ = "y,,";
}

std::string ScramClient::client_first() {
    if (state_ == State::Start) state_ = State::AwaitFirst;
    return binding_input_.substr(0, binding_input_.find(",,") + 2) + client_first_bare_;
}

Result<std::string> ScramClient::on_server_first(std::string_view message) {
    const bool is_in_order = state_ == State::AwaitFirst;
    state_ = State::Failed;
    if (!is_in_order) return unexpected_scram();
    auto reply = read_server_first(message);
    if (reply) state_ = State::AwaitFinal;
    return reply;
}

Status ScramClient::on_server_final(std::string_view message) {
    const bool is_in_order = state_ == State::AwaitFinal;
    state_ = State::Failed;
    if (!is_in_order) return unexpected_scram();
    auto verdict = read_server_final(message);
    if (verdict) state_ = State::Done;
    return verdict;
}

Result<std::string> ScramClient::read_server_first(std::string_view message) {
    if (auto shape = check_scram_shape(message); !shape) return tl::unexpected(shape.error());
    if (message.starts_with("e=")) return server_error(message);
    if (message.starts_with("m=")) return fail("08P01", "SCRAM extension is not supported");
    ScramAttributes attributes(message);
    const auto nonce = attributes.take('r');
    if (!nonce || !is_scram_nonce(*nonce)) {
        return malformed_scram("the nonce is missing or not valid");
    }
    if (!nonce->starts_with(client_nonce_) || nonce->size() == client_nonce_.size()) {
        return malformed_scram("the nonce does not continue ours");
    }
    const auto salt_text = attributes.take('s');
    auto salt = base64_decode(salt_text.value_or(""));
    if (!salt || salt->empty()) return malformed_scram("the salt is missing or not valid");
    const auto iterations = read_iterations(attributes.take('i').value_or(""));
    if (!iterations) return malformed_scram("the iteration count is missing or not acceptable");
    if (!attributes.only_extensions_left()) return malformed_scram("garbage at the end");

    salt_ = std::move(*salt);
    iterations_ = *iterations;
    choose_keys();
    std::string client_final =
        "c=" + base64_encode(as_bytes(binding_input_)) + ",r=" + std::string(*nonce);
    auth_message_ = client_first_bare_ + "," + std::string(message) + "," + client_final;
    const ScramKey stored_key = sha256(keys_.client_key);
    const ScramKey proof =
        xor_keys(keys_.client_key, hmac_sha256(stored_key, as_bytes(auth_message_)));
    client_final += ",p=" + base64_encode(proof);
    return client_final;
}

void ScramClient::choose_keys() {
    if (!password_) return;
    if (cached_ && cached_->iterations == iterations_ && cached_->salt == salt_) {
        keys_ = cached_->keys;
    } else {
        keys_ = derive_scram_keys(password_->view(), salt_, iterations_);
    }
    password_ = SecretString();  // no longer needed
}

Status ScramClient::read_server_final(std::string_view message) {
    if (auto shape = check_scram_shape(message); !shape) return shape;
    if (message.starts_with("e=")) return server_error(message);
    ScramAttributes attributes(message);
    const auto signature = base64_decode(attributes.take('v').value_or(""));
    if (!signature || signature->size() != kScramKeyBytes) {
        return malformed_scram("the server signature is missing or not valid");
    }
    if (!attributes.only_extensions_left()) return malformed_scram("garbage at the end");
    const ScramKey expected = hmac_sha256(keys_.server_key, as_bytes(auth_message_));
    if (!constant_time_equal(expected, *signature)) {
        return fail("28000", "server does not know the password: wrong SCRAM signature");
    }
    return {};
}

}  // namespace weir
