// Goal: nothing a client or a server can send to either side of SCRAM, and nothing an auth_file can
// contain, does harm: no crash, no sanitizer report, no login without the right keys.
// Method: the input is cut at newlines. The first byte says which genuine messages replace the
// made-up ones, so that later states are reached, and whether the channel is bound. Keys, not a
// password, are used on the client side: a made-up iteration count must not cost seconds.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/auth/base64.h"
#include "protocol/auth/md5.h"
#include "protocol/auth/saslprep.h"
#include "protocol/auth/scram_client.h"
#include "protocol/auth/scram_crypto.h"
#include "protocol/auth/scram_message.h"
#include "protocol/auth/scram_server.h"
#include "protocol/auth/secret.h"

namespace weir {
namespace {

constexpr unsigned kGenuineFirst = 1;
constexpr unsigned kGenuineFinal = 2;
constexpr unsigned kBoundChannel = 4;
constexpr unsigned kExtraCall = 8;

void require(bool condition) {
    if (!condition) __builtin_trap();
}

std::string_view take_line(std::string_view& rest) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return line;
}

std::optional<std::string> binding(unsigned mode) {
    if ((mode & kBoundChannel) == 0) return std::nullopt;
    return std::string(32, 'h');
}

void fuzz_server(const ScramVerifier& verifier, const ScramKeys& keys, unsigned mode,
                 std::string_view messages) {
    ScramServer server(verifier, "server-nonce", binding(mode));
    ScramClient client(keys, "client-nonce", binding(mode));
    const bool is_genuine = (mode & kGenuineFirst) != 0;
    const std::string genuine = client.client_first();
    const std::string_view first = take_line(messages);
    const auto server_first = server.on_client_first(is_genuine ? genuine : first);
    require(!is_genuine || server_first.has_value());
    if (server_first) {
        const auto genuine_final = client.on_server_first(*server_first);
        if (genuine_final && (mode & kGenuineFinal) != 0) {
            const bool is_known_first = (is_genuine ? genuine : first) == genuine;
            require(server.on_client_final(*genuine_final).has_value() == is_known_first);
        }
    }
    const bool is_done = server.is_done();
    if (!is_done || (mode & kExtraCall) != 0) {
        const auto server_final = server.on_client_final(take_line(messages));
        require(server_final.has_value() == server.is_done());
    }
    const bool has_keys = server.keys().client_key != ScramKey{};
    require(has_keys == server.is_done());
    require(!has_keys || sha256(server.keys().client_key) == verifier.stored_key);
}

void fuzz_client(const ScramVerifier& verifier, const ScramKeys& keys, unsigned mode,
                 std::string_view messages) {
    ScramClient client(keys, "client-nonce", binding(mode));
    ScramServer server(verifier, "server-nonce", binding(mode));
    const auto genuine = server.on_client_first(client.client_first());
    require(genuine.has_value());
    const bool is_genuine = (mode & kGenuineFirst) != 0;
    const std::string_view first = take_line(messages);
    const auto client_final = client.on_server_first(is_genuine ? *genuine : first);
    if (client_final) {
        require(client_final->size() < 4 * kScramNonceBytesMax);
        const auto genuine_final = server.on_client_final(*client_final);
        if (genuine_final && (mode & kGenuineFinal) != 0) {
            require(client.on_server_final(*genuine_final).has_value());
        }
    }
    if (!client.is_done() || (mode & kExtraCall) != 0) {
        const auto verdict = client.on_server_final(take_line(messages));
        require(verdict.has_value() == client.is_done());
    }
}

void fuzz_secrets(std::string_view text) {
    if (const auto verifier = parse_scram_verifier(text)) {
        const auto again = parse_scram_verifier(format_scram_verifier(*verifier));
        require(again.has_value() && *again == *verifier);
        require(classify_secret(text) == SecretKind::Scram);
    }
    if (const auto bytes = base64_decode(text)) require(base64_encode(*bytes) == text);
    require(saslprep(text).empty() == text.empty());
    constexpr uint8_t kSalt[4] = {1, 2, 3, 4};
    const bool is_md5 = classify_secret(text) == SecretKind::Md5;
    require(md5_verify(text, kSalt, md5_response(text, kSalt)) == is_md5);
}

}  // namespace
}  // namespace weir

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    static const auto* const verifier =
        new weir::ScramVerifier(weir::make_scram_verifier("secret", weir::as_bytes("salt"), 1));
    static const auto* const keys =
        new weir::ScramKeys(weir::derive_scram_keys("secret", weir::as_bytes("salt"), 1));
    const unsigned mode = data[0];
    const std::string_view messages = weir::as_text({data + 1, size - 1});
    weir::fuzz_server(*verifier, *keys, mode, messages);
    weir::fuzz_client(*verifier, *keys, mode, messages);
    weir::fuzz_secrets(messages);
    return 0;
}
