// Goal: both sides of SCRAM-SHA-256 speak as RFC 5802 and RFC 7677 say, agree with each other, and
// refuse wrong passwords, wrong keys, wrong order and messages that say the wrong thing.
// Method: the test vector of RFC 7677 §3, vectors for libpq's empty user name and for channel
// binding computed with Python's hmac, and the two sides against each other with few iterations.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "protocol/auth/base64.h"
#include "protocol/auth/scram_client.h"
#include "protocol/auth/scram_message.h"
#include "protocol/auth/scram_server.h"
#include "protocol/base/random.h"

namespace weir::auth_scram_test {
namespace {

constexpr std::string_view kPencil =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
constexpr std::string_view kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const char* const kClientNonce = "rOprNGfwEbeRWgbNEkqO";
const char* const kServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

ScramVerifier pencil() {
    return parse_scram_verifier(kPencil).value();
}
ScramVerifier cheap_verifier(std::string_view password) {
    return make_scram_verifier(password, as_bytes("0123456789abcdef"), 2);
}

template <typename T>
std::string state_of(const Result<T>& result) {
    return result ? "ok" : result.error().sqlstate;
}
std::string state_of(const Status& status) {
    return status ? "ok" : status.error().sqlstate;
}

// Runs a whole login; gives "ok", or who refused with what: "server 28P01".
std::string log_in(ScramClient& client, ScramServer& server) {
    const auto server_first = server.on_client_first(client.client_first());
    if (!server_first) return "server " + state_of(server_first);
    const auto client_final = client.on_server_first(*server_first);
    if (!client_final) return "client " + state_of(client_final);
    const auto server_final = server.on_client_final(*client_final);
    if (!server_final) return "server " + state_of(server_final);
    const auto verdict = client.on_server_final(*server_final);
    return verdict ? "ok" : "client " + state_of(verdict);
}

std::string first_reply(std::string_view message) {
    ScramServer server(pencil(), kServerNonce);
    return state_of(server.on_client_first(message));
}

std::string final_reply(std::string_view message) {
    ScramServer server(pencil(), kServerNonce);
    REQUIRE(server.on_client_first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO").has_value());
    return state_of(server.on_client_final(message));
}

std::string client_reply(std::string_view message) {
    ScramClient client(ScramKeys{}, kClientNonce);
    client.client_first();
    return state_of(client.on_server_first(message));
}

TEST_CASE("the server reproduces the exchange of RFC 7677") {
    ScramServer server(pencil(), kServerNonce);
    const auto server_first = server.on_client_first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    REQUIRE(server_first.has_value());
    CHECK(*server_first == kServerFirst);
    CHECK(server.keys().client_key == ScramKey{});
    const auto server_final = server.on_client_final(
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    REQUIRE(server_final.has_value());
    CHECK(*server_final == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    CHECK(server.is_done());
    CHECK_FALSE(server.uses_channel_binding());
    CHECK(base64_encode(server.keys().client_key) ==
          "pg/JI9Z+hkSpLRa5btpe9GVrDHJcSEN0viVTVXaZbos=");
    CHECK(server.keys().server_key == pencil().server_key);
}

TEST_CASE("the client sends libpq's empty user name and computes the matching proof") {
    ScramClient client("pencil", kClientNonce);
    CHECK(client.client_first() == "n,,n=,r=rOprNGfwEbeRWgbNEkqO");
    const auto client_final = client.on_server_first(kServerFirst);
    REQUIRE(client_final.has_value());
    CHECK(*client_final ==
          "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
          "p=qvT2SWdEH5Q06albL+hjSYuUhCG7VndFyzIb7CK4n9k=");
    CHECK(client.derived_keys().client_key == ScramKey{});
    CHECK(client.on_server_final("v=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg=").has_value());
    CHECK(client.is_done());
    CHECK(client.derived_keys().server_key == pencil().server_key);
    CHECK(client.iterations() == 4096);
    CHECK(client.salt().size() == 16);
}

TEST_CASE("channel binding is announced, signed and checked") {
    std::string certificate_hash;
    for (char c = 0; c < 32; ++c) {
        certificate_hash += c;
    }
    ScramClient client("pencil", kClientNonce, certificate_hash);
    CHECK(client.client_first() == "p=tls-server-end-point,,n=,r=rOprNGfwEbeRWgbNEkqO");
    const auto client_final = client.on_server_first(kServerFirst);
    REQUIRE(client_final.has_value());
    CHECK(*client_final ==
          "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,"
          "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
          "p=Q8h71kjaoMzNI7dPksDrhRE/5mTUObF0fUHVIgBOWQg=");
    CHECK(client.on_server_final("v=ykwoqH8mLqO5AQCeuwwf6lsj9f8zyJZT/CcvAbN4Ssc=").has_value());

    ScramServer server(pencil(), kServerNonce, certificate_hash);
    REQUIRE(server.on_client_first(client.client_first()).has_value());
    CHECK(server.uses_channel_binding());
    CHECK(server.on_client_final(*client_final).has_value());

    ScramServer other_certificate(pencil(), kServerNonce, std::string(32, 'x'));
    REQUIRE(other_certificate.on_client_first(client.client_first()).has_value());
    CHECK(state_of(other_certificate.on_client_final(*client_final)) == "08P01");

    ScramServer without(pencil(), kServerNonce);
    CHECK(state_of(without.on_client_first(client.client_first())) == "08P01");
    ScramServer offered(pencil(), kServerNonce, certificate_hash);
    CHECK(state_of(offered.on_client_first("y,,n=,r=abc")) == "08P01");
    ScramServer not_used(pencil(), kServerNonce, certificate_hash);
    CHECK(state_of(not_used.on_client_first("n,,n=,r=abc")) == "ok");
    CHECK_FALSE(not_used.uses_channel_binding());
    ScramServer unknown_type(pencil(), kServerNonce, certificate_hash);
    CHECK(state_of(unknown_type.on_client_first("p=tls-unique,,n=,r=abc")) == "08P01");
}

TEST_CASE("client and server agree on any password, and on no other") {
    std::vector<std::string> passwords = {"",
                                          "a",
                                          "secret",
                                          "with space",
                                          "comma,equals=",
                                          "p\xC3\xA4ssw\xC3\xB6rd",
                                          "\xE2\x85\xA8",
                                          "\xF0\x9F\x98\x80",
                                          "not utf-8 \xFF\xFE",
                                          std::string("nul\0nul", 7),
                                          "\xD7\xA9\xD7\x9C",
                                          std::string(5000, 'x')};
    Prng random(1);
    for (int i = 0; i < 200; ++i) {
        std::string password;
        for (uint64_t length = random.below(40); length > 0; --length) {
            password += static_cast<char>(random.below(256));
        }
        passwords.push_back(password);
    }
    for (size_t i = 0; i < passwords.size(); ++i) {
        CAPTURE(i);
        ScramClient client(passwords[i], kClientNonce);
        ScramServer server(cheap_verifier(passwords[i]), kServerNonce);
        CHECK(log_in(client, server) == "ok");
        CHECK(client.derived_keys().client_key == server.keys().client_key);
        CHECK(client.derived_keys().server_key == server.keys().server_key);

        ScramClient wrong_client(passwords[i] + "!", kClientNonce);
        ScramServer wrong_server(cheap_verifier(passwords[i]), kServerNonce);
        CHECK(log_in(wrong_client, wrong_server) == "server 28P01");
        CHECK(wrong_server.keys().client_key == ScramKey{});
    }
    ScramClient composed("p\xC3\xA4ss", kClientNonce);
    ScramServer decomposed(cheap_verifier("pa\xCC\x88ss"), kServerNonce);
    CHECK(log_in(composed, decomposed) == "ok");
}

TEST_CASE("the keys of a client's login open the server with the same salt and iterations only") {
    ScramClient client("secret", kClientNonce);
    ScramServer proxy(cheap_verifier("secret"), kServerNonce);
    REQUIRE(log_in(client, proxy) == "ok");

    ScramClient passed_through(proxy.keys(), "other-nonce");
    ScramServer database(cheap_verifier("secret"), "database-nonce");
    CHECK(log_in(passed_through, database) == "ok");
    CHECK(passed_through.derived_keys().client_key == proxy.keys().client_key);

    ScramClient misfit(proxy.keys(), "other-nonce");
    ScramServer other_salt(make_scram_verifier("secret", as_bytes("salt"), 2), "database-nonce");
    CHECK(log_in(misfit, other_salt) == "server 28P01");
    CHECK(as_text(misfit.salt()) == "salt");

    ScramKeys without_server_key = proxy.keys();
    without_server_key.server_key = {};
    ScramClient suspicious(without_server_key, "other-nonce");
    ScramServer second(cheap_verifier("secret"), "database-nonce");
    CHECK(log_in(suspicious, second) == "client 28000");
}

TEST_CASE("cached keys are used when the server's salt and iterations fit, and only then") {
    ScramClient first("secret", kClientNonce);
    ScramServer server(cheap_verifier("secret"), kServerNonce);
    REQUIRE(log_in(first, server) == "ok");
    const ScramKeys keys = first.derived_keys();

    // The password is wrong on purpose: only the cached keys can log in.
    ScramClient cached("unused", kClientNonce);
    cached.offer_cached(keys, first.salt(), first.iterations());
    ScramServer same(cheap_verifier("secret"), kServerNonce);
    CHECK(log_in(cached, same) == "ok");

    for (const auto& [salt, iterations] :
         {std::pair<std::string_view, uint32_t>{"other salt", 2}, {"0123456789abcdef", 3}}) {
        ScramClient fallback("secret", kClientNonce);
        fallback.offer_cached(keys, first.salt(), first.iterations());
        ScramServer changed(make_scram_verifier("secret", as_bytes(salt), iterations),
                            kServerNonce);
        CHECK(log_in(fallback, changed) == "ok");
    }
}

TEST_CASE("a mock verifier is the same for the same user and never lets anyone in") {
    const auto secret = as_bytes("process secret");
    const ScramVerifier mock = make_mock_verifier(secret, "nobody", 2);
    CHECK(mock == make_mock_verifier(secret, "nobody", 2));
    CHECK(mock.salt.size() == 16);
    CHECK(mock.iterations == 2);
    CHECK(mock.salt != make_mock_verifier(secret, "nobody2", 2).salt);
    CHECK(mock.salt != make_mock_verifier(as_bytes("other secret"), "nobody", 2).salt);
    CHECK(mock.stored_key != mock.server_key);
    for (const std::string_view password : {"", "nobody", "secret"}) {
        ScramClient client(password, kClientNonce);
        ScramServer server(mock, kServerNonce);
        CHECK(log_in(client, server) == "server 28P01");
    }
    ScramClient zero_keys(ScramKeys{}, kClientNonce);
    ScramServer server(mock, kServerNonce);
    CHECK(log_in(zero_keys, server) == "server 28P01");
}

TEST_CASE("the server accepts the optional parts of a client-first message and refuses the rest") {
    for (const std::string_view good :
         {"n,,n=,r=abc", "y,,n=,r=abc", "n,,n=user,r=abc", "n,,n=,r=abc,x=extension",
          "n,,n=a=2Cb,r=abc", "n,,n=,r=!~"}) {
        CAPTURE(good);
        CHECK(first_reply(good) == "ok");
    }
    for (const std::string_view bad : {"",
                                       "n",
                                       "n,",
                                       "n,,",
                                       ",,n=,r=abc",
                                       "x,,n=,r=abc",
                                       "nn,,n=,r=abc",
                                       "p=,,n=,r=abc",
                                       "p=tls-server-end-point,,n=,r=abc",
                                       "n,a=other,n=,r=abc",
                                       "n,x,n=,r=abc",
                                       "n,,m=must,n=,r=abc",
                                       "n,,r=abc,n=",
                                       "n,,r=abc",
                                       "n,,n=",
                                       "n,,n=,r=",
                                       "n,,n=,r=a b",
                                       "n,,n=,r=a\tb",
                                       "n,,n=,r=a\xC3\xA4",
                                       "n,,n=,r=abc,",
                                       "n,,n=,r=abc,x",
                                       "n,,n=,r=abc,1=2",
                                       "n,,n=,r=abc,m=must",
                                       "n,,n=,,r=abc",
                                       " n,,n=,r=abc"}) {
        CAPTURE(bad);
        CHECK(first_reply(bad) == "08P01");
    }
    CHECK(first_reply(std::string_view("n,,n=,r=a\0c", 11)) == "08P01");
    CHECK(first_reply("n,,n=,r=" + std::string(kScramNonceBytesMax, 'a')) == "ok");
    CHECK(first_reply("n,,n=,r=" + std::string(kScramNonceBytesMax + 1, 'a')) == "08P01");
    CHECK(first_reply("n,,n=" + std::string(kScramMessageBytesMax, 'a') + ",r=a") == "08P01");
    CHECK(first_reply("n,,n=" + std::string(60'000, 'a') + ",r=a") == "ok");
}

TEST_CASE("the server checks every part of a client-final message") {
    const std::string nonce = std::string("r=") + kClientNonce + kServerNonce;
    const std::string proof = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    CHECK(final_reply("c=biws," + nonce + "," + proof) == "ok");
    const std::vector<std::string> malformed = {
        "",
        proof,
        "," + proof,
        "c=biws," + nonce,
        nonce + ",c=biws," + proof,
        "c=eSws," + nonce + "," + proof,  // "y,," was not what client-first said
        "c=biws=," + nonce + "," + proof,
        "c=biws," + nonce + "x," + proof,
        "c=biws,r=" + std::string(kClientNonce) + "," + proof,
        "c=biws," + nonce + "," + proof + ",x=y",
        "c=biws," + nonce + "," + proof + "\n",
        "c=biws," + nonce + ",m=must," + proof,
        "c=biws," + nonce + ",p=",
        "c=biws," + nonce + ",p=QQ==",
        "c=biws," + nonce + ",p=" + std::string(43, 'A'),
        "c=biws," + nonce + "," + proof + std::string(kScramMessageBytesMax, 'A'),
    };
    for (const std::string& message : malformed) {
        CAPTURE(message);
        CHECK(final_reply(message) == "08P01");
    }
    const std::string wrong_proof = "p=" + base64_encode(std::vector<uint8_t>(32));
    CHECK(final_reply("c=biws," + nonce + "," + wrong_proof) == "28P01");
    CHECK(final_reply("c=biws," + nonce + ",x=y," + proof) == "28P01");  // not what was signed
}

TEST_CASE("the client refuses what a hostile server may send first") {
    const std::string nonce = std::string("r=") + kClientNonce + "x";
    CHECK(client_reply(nonce + ",s=QQ==,i=1") == "ok");
    CHECK(client_reply(nonce + ",s=QQ==,i=10000000") == "ok");
    CHECK(client_reply(nonce + ",s=QQ==,i=4096,x=extension") == "ok");
    const std::vector<std::string> malformed = {
        "",
        nonce,
        nonce + ",s=QQ==",
        nonce + ",i=1",
        "s=QQ==,i=1",
        nonce + ",i=1,s=QQ==",
        nonce + ",s=,i=1",
        nonce + ",s=Q,i=1",
        nonce + ",s=QR==,i=1",
        nonce + ",s=Q Q=,i=1",
        nonce + ",s=QQ==,i=",
        nonce + ",s=QQ==,i=0",
        nonce + ",s=QQ==,i=-1",
        nonce + ",s=QQ==,i=+1",
        nonce + ",s=QQ==,i=01",
        nonce + ",s=QQ==,i=1 ",
        nonce + ",s=QQ==,i=10000001",
        nonce + ",s=QQ==,i=4294967297",
        nonce + ",s=QQ==,i=99999999999999999999999",
        nonce + ",s=QQ==,i=1,",
        nonce + ",s=QQ==,i=1,garbage",
        nonce + ",s=QQ==,i=1,m=must",
        "m=must," + nonce + ",s=QQ==,i=1",
        std::string("r=") + kClientNonce + ",s=QQ==,i=1",
        "r=someone-else,s=QQ==,i=1",
        "r=,s=QQ==,i=1",
        "r=x" + nonce.substr(2) + ",s=QQ==,i=1",
        nonce + " y,s=QQ==,i=1",
        nonce + std::string(kScramNonceBytesMax, 'x') + ",s=QQ==,i=1",
        nonce + ",s=" + std::string(kScramMessageBytesMax, 'A') + ",i=1",
        nonce + std::string(1, '\0') + ",s=QQ==,i=1"};
    for (const std::string& message : malformed) {
        CAPTURE(message);
        CHECK(client_reply(message) == "08P01");
    }
    CHECK(client_reply("e=no-resources") == "28P01");
}

TEST_CASE("the client refuses a server that cannot prove itself") {
    const auto final_verdict = [](std::string_view message) {
        ScramClient client(ScramKeys{}, kClientNonce);
        client.client_first();
        REQUIRE(client.on_server_first(kServerFirst).has_value());
        return client.on_server_final(message);
    };
    const std::string zeros = base64_encode(std::vector<uint8_t>(32));
    CHECK(state_of(final_verdict("v=" + zeros)) == "28000");
    for (const std::string& message : std::vector<std::string>{
             "", "v", "v=", "v=QQ==", "v=" + zeros + ",", "v=" + zeros + ",m=must", "x=" + zeros,
             zeros, "v=" + zeros + "\n", std::string(kScramMessageBytesMax + 1, 'v')}) {
        CAPTURE(message);
        CHECK(state_of(final_verdict(message)) == "08P01");
    }
    const Status refused = final_verdict("e=bad\x1B[31m\xFF" + std::string(1000, 'x'));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().sqlstate == std::string_view("28P01"));
    CHECK(refused.error().message.find("bad?[31m?xx") != std::string::npos);
    CHECK(refused.error().message.size() < 200);
}

TEST_CASE("messages out of order fail and cannot be recovered from") {
    ScramServer early(pencil(), kServerNonce);
    CHECK(state_of(early.on_client_final("c=biws,r=x,p=x")) == "08P01");
    CHECK(state_of(early.on_client_first("n,,n=,r=abc")) == "08P01");

    ScramServer twice(pencil(), kServerNonce);
    CHECK(state_of(twice.on_client_first("n,,n=,r=abc")) == "ok");
    CHECK(state_of(twice.on_client_first("n,,n=,r=abc")) == "08P01");
    CHECK_FALSE(twice.is_done());

    ScramClient client("secret", kClientNonce);
    ScramServer server(cheap_verifier("secret"), kServerNonce);
    REQUIRE(log_in(client, server) == "ok");
    CHECK(state_of(server.on_client_final("c=biws,r=x,p=x")) == "08P01");
    CHECK_FALSE(server.is_done());
    CHECK(server.keys().client_key == ScramKey{});
    CHECK(state_of(client.on_server_final("v=")) == "08P01");
    CHECK_FALSE(client.is_done());
    CHECK(client.derived_keys().client_key == ScramKey{});

    ScramClient silent("secret", kClientNonce);
    CHECK(state_of(silent.on_server_first(kServerFirst)) == "08P01");
    ScramClient hasty("secret", kClientNonce);
    hasty.client_first();
    CHECK(state_of(hasty.on_server_final("v=")) == "08P01");
    CHECK(state_of(hasty.on_server_first(kServerFirst)) == "08P01");
}

TEST_CASE("a nonce is printable, has no comma and has a limit") {
    CHECK(is_scram_nonce(make_scram_nonce(std::vector<uint8_t>(18, 7))));
    CHECK(make_scram_nonce(std::vector<uint8_t>(18, 7)).size() == 24);
    CHECK_FALSE(is_scram_nonce(""));
    CHECK_FALSE(is_scram_nonce("a,b"));
    CHECK_FALSE(is_scram_nonce("a b"));
    CHECK_FALSE(is_scram_nonce("\x7F"));
    CHECK_FALSE(is_scram_nonce(std::string(kScramNonceBytesMax + 1, 'a')));
}

}  // namespace
}  // namespace weir::auth_scram_test
