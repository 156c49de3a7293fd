#include "protocol/auth/scram_server.h"

#include <algorithm>
#include <utility>

#include "protocol/auth/base64.h"
#include "protocol/auth/scram_crypto.h"
#include "protocol/auth/scram_message.h"
#include "protocol/base/check.h"

namespace weir {

ScramServer::ScramServer(ScramVerifier verifier, std::string server_nonce,
                         std::optional<std::string> channel_binding)
    : verifier_(std::move(verifier)),
      server_nonce_(std::move(server_nonce)),
      channel_binding_(std::move(channel_binding)) {
    WEIR_CHECK(is_scram_nonce(server_nonce_));
}

Result<std::string> ScramServer::on_client_first(std::string_view message) {
    const bool is_in_order = state_ == State::AwaitFirst;
    state_ = State::Failed;
    keys_ = {};
    if (!is_in_order) return unexpected_scram();
    auto reply = read_client_first(message);
    if (reply) state_ = State::AwaitFinal;
    return reply;
}

Result<std::string> ScramServer::on_client_final(std::string_view message) {
    const bool is_in_order = state_ == State::AwaitFinal;
    state_ = State::Failed;
    keys_ = {};
    if (!is_in_order) return unexpected_scram();
    auto reply = read_client_final(message);
    if (reply) state_ = State::Done;
    return reply;
}

// Consumes "<binding flag>,<no authorization identity>,".
Status ScramServer::read_gs2_header(std::string_view& message) {
    const size_t flag_end = message.find(',');
    const std::string_view flag = message.substr(0, flag_end);
    if (flag_end == std::string_view::npos) return malformed_scram("the header is incomplete");
    if (flag.starts_with("p=")) {
        if (!channel_binding_) return fail("08P01", "SCRAM channel binding was not offered");
        if (flag != kScramBindingFlag) return fail("08P01", "unknown SCRAM channel binding type");
    } else if (flag == "y") {
        if (channel_binding_) return fail("08P01", "SCRAM channel binding offer was not received");
    } else if (flag != "n") {
        return malformed_scram("unknown channel binding flag");
    }
    const std::string_view after_flag = message.substr(flag_end + 1);
    if (after_flag.starts_with("a=")) {
        return fail("08P01", "SCRAM authorization identity is not supported");
    }
    if (!after_flag.starts_with(',')) return malformed_scram("the header is incomplete");
    gs2_header_ = message.substr(0, flag_end + 2);
    message.remove_prefix(flag_end + 2);
    return {};
}

Result<std::string> ScramServer::read_client_first(std::string_view message) {
    if (auto shape = check_scram_shape(message); !shape) return tl::unexpected(shape.error());
    std::string_view bare = message;
    if (auto header = read_gs2_header(bare); !header) return tl::unexpected(header.error());
    if (bare.starts_with("m=")) return fail("08P01", "SCRAM extension is not supported");
    ScramAttributes attributes(bare);
    if (!attributes.take('n')) return malformed_scram("the user name is missing");
    const auto client_nonce = attributes.take('r');
    if (!client_nonce || !is_scram_nonce(*client_nonce)) {
        return malformed_scram("the nonce is missing or not valid");
    }
    if (!attributes.only_extensions_left()) return malformed_scram("garbage after the nonce");

    nonce_ = std::string(*client_nonce) + server_nonce_;
    const std::string server_first = "r=" + nonce_ + ",s=" + base64_encode(verifier_.salt) +
                                     ",i=" + std::to_string(verifier_.iterations);
    auth_message_ = std::string(bare) + "," + server_first;
    return server_first;
}

Result<std::string> ScramServer::read_client_final(std::string_view message) {
    if (auto shape = check_scram_shape(message); !shape) return tl::unexpected(shape.error());
    const size_t proof_at = message.rfind(",p=");  // the last attribute
    if (proof_at == std::string_view::npos) return malformed_scram("the proof is missing");
    const auto proof = base64_decode(message.substr(proof_at + 3));
    if (!proof || proof->size() != kScramKeyBytes) return malformed_scram("the proof is not valid");

    const std::string_view without_proof = message.substr(0, proof_at);
    ScramAttributes attributes(without_proof);
    std::string binding_input = gs2_header_;
    if (uses_channel_binding()) binding_input += *channel_binding_;
    if (attributes.take('c') != base64_encode(as_bytes(binding_input))) {
        return malformed_scram("the channel binding is not the expected one");
    }
    if (attributes.take('r') != nonce_) return malformed_scram("the nonce is not the expected one");
    if (!attributes.only_extensions_left()) return malformed_scram("garbage before the proof");

    auth_message_ += ",";
    auth_message_ += without_proof;
    ScramKey proof_key;
    std::copy(proof->begin(), proof->end(), proof_key.begin());
    return check_proof(proof_key);
}

// RFC 5802 §3: ClientProof is ClientKey XOR HMAC(StoredKey, AuthMessage), StoredKey is
// H(ClientKey).
Result<std::string> ScramServer::check_proof(const ScramKey& proof) {
    const ByteView signed_text = as_bytes(auth_message_);
    ScramKeys recovered;
    recovered.client_key = xor_keys(proof, hmac_sha256(verifier_.stored_key, signed_text));
    if (!constant_time_equal(sha256(recovered.client_key), verifier_.stored_key)) {
        return fail("28P01", "password authentication failed");
    }
    recovered.server_key = verifier_.server_key;
    keys_ = recovered;
    return "v=" + base64_encode(hmac_sha256(verifier_.server_key, signed_text));
}

ScramVerifier make_mock_verifier(ByteView process_secret, std::string_view user,
                                 uint32_t iterations) {
    constexpr size_t kSaltBytes = 16;  // PostgreSQL's default
    const auto derive = [&](std::string_view purpose) {
        const std::string text = std::string(purpose) + ":" + std::string(user);
        return hmac_sha256(process_secret, as_bytes(text));
    };
    const ScramKey salt = derive("salt");
    ScramVerifier verifier;
    verifier.iterations = iterations;
    verifier.salt.assign(salt.begin(), salt.begin() + kSaltBytes);
    verifier.stored_key = derive("stored key");  // a preimage of it would be needed to log in
    verifier.server_key = derive("server key");
    return verifier;
}

}  // namespace weir
