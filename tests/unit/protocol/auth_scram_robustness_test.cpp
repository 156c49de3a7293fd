// Goal: no message that was tampered with leads to a login, and none does harm.
// Method: one good exchange (without key derivation, so that it is cheap); then every truncation of
// every message, and 200 000 seeded mutations of each message, are put in its place. An exchange
// must succeed exactly when the message came through unchanged.
#include <doctest/doctest.h>

#include <string>

#include "protocol/auth/scram_client.h"
#include "protocol/auth/scram_server.h"
#include "protocol/base/random.h"

namespace weir::auth_scram_robustness_test {
namespace {

constexpr int kMutations = 200'000;
const char* const kClientNonce = "fyko+d2lbbFgONRv9qkxdawL";
const char* const kServerNonce = "3rfcNHYJY1ZVvWVs7jABCDEF";

struct Login {  // one good exchange, and what it takes to repeat it
    ScramVerifier verifier;
    ScramKeys keys;
    std::string client_first, server_first, client_final, server_final;
};

Login make_login() {
    Login login;
    login.verifier = make_scram_verifier("secret", as_bytes("0123456789abcdef"), 2);
    ScramClient client("secret", kClientNonce);
    ScramServer server(login.verifier, kServerNonce);
    login.client_first = client.client_first();
    login.server_first = server.on_client_first(login.client_first).value();
    login.client_final = client.on_server_first(login.server_first).value();
    login.server_final = server.on_client_final(login.client_final).value();
    REQUIRE(client.on_server_final(login.server_final).has_value());
    login.keys = server.keys();
    return login;
}

// Each gives whether the login succeeds when `message` replaces the original one.
bool succeeds_with_client_first(const Login& login, std::string_view message) {
    ScramServer server(login.verifier, kServerNonce);
    return server.on_client_first(message) && server.on_client_final(login.client_final);
}
bool succeeds_with_client_final(const Login& login, std::string_view message) {
    ScramServer server(login.verifier, kServerNonce);
    return server.on_client_first(login.client_first) && server.on_client_final(message);
}
bool succeeds_with_server_first(const Login& login, std::string_view message) {
    ScramClient client(login.keys, kClientNonce);
    ScramServer server(login.verifier, kServerNonce);
    if (!server.on_client_first(client.client_first())) return false;
    const auto client_final = client.on_server_first(message);
    return client_final && server.on_client_final(*client_final);
}
bool succeeds_with_server_final(const Login& login, std::string_view message) {
    ScramClient client(login.keys, kClientNonce);
    client.client_first();
    return client.on_server_first(login.server_first) && client.on_server_final(message);
}

// One to three random edits, half of them with characters that mean something.
std::string mutate(std::string text, Prng& random) {
    constexpr std::string_view kMeaningful = "=,,nprsivcemya0123456789+/";
    const auto any_character = [&random, kMeaningful] {
        if (random.chance(50)) return kMeaningful[random.below(kMeaningful.size())];
        return static_cast<char>(random.below(256));
    };
    for (uint64_t edits = 1 + random.below(3); edits > 0; --edits) {
        const size_t at = random.below(text.size() + 1);
        const size_t length = random.below(9);
        switch (random.below(7)) {
            case 0: text.insert(at, 1, any_character()); break;
            case 1: text.erase(at, length); break;
            case 2: text.resize(at); break;
            case 3: text.insert(random.below(text.size() + 1), text.substr(at, length)); break;
            case 4: text.append(text.substr(at)); break;
            case 5: text.insert(at, random.below(2000), any_character()); break;
            default:
                if (at < text.size()) text[at] = any_character();
        }
    }
    return text;
}

using Succeeds = bool (*)(const Login&, std::string_view);

void check_truncations(const Login& login, const std::string& message, Succeeds succeeds) {
    CHECK(succeeds(login, message));
    for (size_t length = 0; length < message.size(); ++length) {
        CAPTURE(length);
        CHECK_FALSE(succeeds(login, std::string_view(message).substr(0, length)));
    }
}

TEST_CASE("no truncated message leads to a login") {
    const Login login = make_login();
    check_truncations(login, login.client_first, succeeds_with_client_first);
    check_truncations(login, login.client_final, succeeds_with_client_final);
    check_truncations(login, login.server_first, succeeds_with_server_first);
    check_truncations(login, login.server_final, succeeds_with_server_final);
}

void check_mutations(const Login& login, const std::string& message, Succeeds succeeds,
                     uint64_t seed) {
    Prng random(seed);
    for (int i = 0; i < kMutations; ++i) {
        const std::string mutated = mutate(message, random);
        if (succeeds(login, mutated) == (mutated == message)) continue;
        FAIL_CHECK("seed ", seed, " mutation ", i, ": ", mutated);
    }
}

TEST_CASE("no mutated message of a client leads to a login") {
    const Login login = make_login();
    check_mutations(login, login.client_first, succeeds_with_client_first, 11);
    check_mutations(login, login.client_final, succeeds_with_client_final, 12);
}

TEST_CASE("no mutated message of a server leads to a login") {
    const Login login = make_login();
    check_mutations(login, login.server_first, succeeds_with_server_first, 13);
    // An extension may follow the signature; nothing signs it.
    const auto succeeds = [](const Login& good, std::string_view message) {
        const bool is_extended = message.starts_with(good.server_final + ",");
        return !is_extended && succeeds_with_server_final(good, message);
    };
    check_mutations(login, login.server_final, succeeds, 14);
}

TEST_CASE("random bytes never lead to a login") {
    const Login login = make_login();
    Prng random(15);
    int logins = 0;
    for (int i = 0; i < 20'000; ++i) {
        std::string noise;
        for (uint64_t length = random.below(300); length > 0; --length) {
            noise += static_cast<char>(random.below(256));
        }
        for (const Succeeds succeeds : {succeeds_with_client_first, succeeds_with_client_final,
                                        succeeds_with_server_first, succeeds_with_server_final}) {
            if (succeeds(login, noise)) ++logins;
        }
    }
    CHECK(logins == 0);
}

}  // namespace
}  // namespace weir::auth_scram_robustness_test
