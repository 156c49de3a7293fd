// Goal: ServerLogin logs in to every kind of PostgreSQL with the secrets that can, refuses the
// rest, and survives whatever a server sends.
// Method: whole conversations, SCRAM against our own ScramServer; then every message at the wrong
// time, cut off, and random ones.
#include "proxy/server/server_login.h"

#include <doctest/doctest.h>

#include "protocol/auth/md5.h"
#include "protocol/auth/scram_message.h"
#include "protocol/auth/scram_server.h"
#include "protocol/base/random.h"
#include "protocol/message/frame.h"
#include "protocol/message/frontend.h"
#include "protocol/message/startup.h"
#include "protocol/message/writer.h"

namespace weir::server_login_test {
namespace {

using std::string_literals::operator""s;
constexpr std::string_view kSalt = "0123456789abcdef";
constexpr uint32_t kIterations = 64;

ServerCredentials credentials(std::string_view secret) {
    ServerCredentials out;
    out.user = "bob";
    out.secret = SecretString(secret);
    return out;
}

DatabaseConfig database() {
    DatabaseConfig out;
    out.name = "shop";
    return out;
}

std::string verifier_text() {
    return format_scram_verifier(make_scram_verifier("secret", as_bytes(kSalt), kIterations));
}

// One login, and the server's side of the wire.
struct Login {
    explicit Login(ServerCredentials who, DatabaseConfig where = database())
        : login(std::move(who), where) {}

    Result<bool> give(BackendTag tag, std::string_view body) {
        reply.clear();
        return login.on_message(tag, as_bytes(body), reply);
    }
    Result<bool> auth(AuthRequest request, std::string_view data = {}) {
        std::string message;
        write_auth_request(message, request, as_bytes(data));
        return give(BackendTag::Authentication, std::string_view(message).substr(5));
    }
    // The body of the one message that was answered.
    std::string_view answer() {
        const Piece piece = FrameParser(Direction::FromClient).peek(as_bytes(reply));
        REQUIRE(piece.kind == Piece::Kind::Start);
        REQUIRE(piece.bytes.size() == reply.size());
        CHECK(piece.tag == 'p');
        return as_text(piece.body());
    }
    std::string_view password() { return *view_password(as_bytes(answer())); }
    void finish() {
        CHECK_FALSE(*auth(AuthRequest::Ok));
        CHECK_FALSE(*give(BackendTag::ParameterStatus, "TimeZone\0UTC\0"s));
        CHECK_FALSE(*give(BackendTag::BackendKeyData, "\1\2\3\4\5\6\7\10"));
        const auto ready = give(BackendTag::ReadyForQuery, "I");
        REQUIRE(ready.has_value());
        CHECK(*ready);
    }

    ServerLogin login;
    std::string reply;
};

// SCRAM up to the server's last message, which is given back.
std::string scram(Login& login, ScramServer& server) {
    REQUIRE_FALSE(*login.auth(AuthRequest::Sasl, "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"s));
    const auto initial = view_sasl_initial(as_bytes(login.answer()));
    REQUIRE(initial);
    CHECK(initial->mechanism == "SCRAM-SHA-256");
    const auto first = server.on_client_first(initial->data);
    REQUIRE(first.has_value());
    REQUIRE_FALSE(*login.auth(AuthRequest::SaslContinue, *first));
    const auto last = server.on_client_final(login.answer());
    return last ? *last : "e=invalid-proof";
}

void check_refused(const Result<bool>& result, std::string_view sqlstate) {
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().sqlstate == sqlstate);
}

TEST_CASE("the start-up message names user, database and the entry's settings") {
    DatabaseConfig where = database();
    CHECK(ServerLogin(credentials(""), where).start() ==
          make_startup_message({{"user", "bob"}, {"database", "shop"}}));
    where.dbname = "real";
    where.startup_parameters = {{"client_encoding", "UTF8"}};
    CHECK(
        ServerLogin(credentials(""), where).start() ==
        make_startup_message({{"user", "bob"}, {"database", "real"}, {"client_encoding", "UTF8"}}));
}

TEST_CASE("a server that trusts lets in without a secret") {
    Login l(credentials(""));
    l.finish();
    CHECK(l.reply.empty());
    CHECK(l.login.backend_key().word() == 0x0102030405060708);
    CHECK(l.login.welcome() == Welcome{{{"TimeZone", "UTC"}}});
    CHECK_FALSE(l.login.was_refused());
    CHECK(l.login.derived_keys() == nullptr);
}

TEST_CASE("a plain secret answers a plain request") {
    Login l(credentials("secret"));
    CHECK_FALSE(*l.auth(AuthRequest::CleartextPassword));
    CHECK(l.password() == "secret");
    l.finish();
}

TEST_CASE("plain and md5 secrets answer an md5 request alike") {
    const std::string hash = md5_secret("secret", "bob");
    const std::array<uint8_t, 4> salt{'s', 'a', 'l', 't'};
    for (const std::string& secret : {"secret"s, hash}) {
        Login l(credentials(secret));
        CHECK_FALSE(*l.auth(AuthRequest::Md5Password, "salt"));
        CHECK(l.password() == md5_response(hash, salt));
        l.finish();
    }
}

TEST_CASE("a plain secret logs in by SCRAM and leaves keys to keep") {
    const ScramVerifier verifier = make_scram_verifier("secret", as_bytes(kSalt), kIterations);
    ServerCredentials who = credentials("secret");
    for (int round = 0; round < 2; ++round) {  // the second time with the keys of the first
        ScramServer server(verifier, "servernonce");
        Login l(who);
        CHECK(l.login.derived_keys() == nullptr);
        const std::string last = scram(l, server);
        CHECK(l.auth(AuthRequest::SaslFinal, last).has_value());
        l.finish();
        const auto keys = l.login.derived_keys();
        REQUIRE(keys != nullptr);
        CHECK(keys->iterations == kIterations);
        CHECK(as_text(keys->salt) == kSalt);
        CHECK(keys->keys.client_key == server.keys().client_key);
        who.derived_keys = keys;
    }
    // Keys of another salt are not used.
    ScramServer other(make_scram_verifier("secret", as_bytes("other"), 99), "servernonce");
    Login l(who);
    const std::string last = scram(l, other);
    CHECK(l.auth(AuthRequest::SaslFinal, last).has_value());
    CHECK(l.login.derived_keys()->iterations == 99);
}

TEST_CASE("a verifier logs in with the keys that the client left, and not without") {
    const ScramVerifier verifier = make_scram_verifier("secret", as_bytes(kSalt), kIterations);
    ScramServer first(verifier, "nonce1");
    Login with_password(credentials("secret"));
    scram(with_password, first);
    ServerCredentials who = credentials(verifier_text());
    Login without(who);
    check_refused(without.auth(AuthRequest::Sasl, "SCRAM-SHA-256\0\0"s), "28P01");
    who.scram_keys = std::make_shared<ScramKeys>(first.keys());
    ScramServer second(verifier, "nonce2");
    Login l(who);
    const std::string last = scram(l, second);
    CHECK(l.auth(AuthRequest::SaslFinal, last).has_value());
    l.finish();
    CHECK(l.login.derived_keys() == nullptr);  // nothing new was learnt
}

TEST_CASE("a wrong password and a server that does not know the user are told apart from others") {
    ScramServer server(make_scram_verifier("other", as_bytes(kSalt), kIterations), "servernonce");
    Login l(credentials("secret"));
    check_refused(l.auth(AuthRequest::SaslFinal, scram(l, server)), "28P01");
    CHECK(l.login.derived_keys() == nullptr);
    // A server that only pretends to know the password.
    ScramServer honest(make_scram_verifier("secret", as_bytes(kSalt), kIterations), "servernonce");
    Login m(credentials("secret"));
    scram(m, honest);
    check_refused(m.auth(AuthRequest::SaslFinal, "v=" + std::string(43, 'A') + "="), "28000");
}

TEST_CASE("a secret of the wrong kind is not sent") {
    const std::string md5 = md5_secret("secret", "bob");
    for (const std::string& secret : {md5, verifier_text(), ""s}) {
        Login l(credentials(secret));
        check_refused(l.auth(AuthRequest::CleartextPassword), "28P01");
        CHECK(l.reply.empty());
    }
    for (const std::string& secret : {verifier_text(), ""s}) {
        Login l(credentials(secret));
        check_refused(l.auth(AuthRequest::Md5Password, "salt"), "28P01");
        CHECK(l.reply.empty());
    }
    for (const std::string& secret : {md5, ""s}) {
        Login l(credentials(secret));
        check_refused(l.auth(AuthRequest::Sasl, "SCRAM-SHA-256\0\0"s), "28P01");
        CHECK(l.reply.empty());
    }
}

TEST_CASE("methods that we do not speak are refused") {
    for (const int method : {1, 2, 4, 6, 7, 8, 9, 13, -1, 1 << 30}) {
        Login l(credentials("secret"));
        check_refused(l.auth(static_cast<AuthRequest>(method)), "28000");
    }
    for (const std::string& list : {""s, "\0"s, "SCRAM-SHA-256-PLUS\0\0"s, "SCRAM-SHA-256"s,
                                    "\0SCRAM-SHA-256\0\0"s, "scram-sha-256\0\0"s}) {
        Login l(credentials("secret"));
        check_refused(l.auth(AuthRequest::Sasl, list), "28000");
    }
    Login twice(credentials("secret"));
    CHECK(twice.auth(AuthRequest::Sasl, "SCRAM-SHA-256\0\0"s).has_value());
    check_refused(twice.auth(AuthRequest::Sasl, "SCRAM-SHA-256\0\0"s), "28000");
}

TEST_CASE("an error of the server is told as it is") {
    Login l(credentials("secret"));
    const auto refused = l.give(BackendTag::ErrorResponse, "SFATAL\0C3D000\0Mno such db\0\0"s);
    check_refused(refused, "3D000");
    CHECK(refused.error().message == "no such db");
    CHECK(l.login.was_refused());
}

TEST_CASE("an error without a proper SQLSTATE is a protocol violation with its message") {
    for (const std::string& code : {""s, "C\0"s, "C123\0"s, "C1234567\0"s}) {
        Login l(credentials("secret"));
        const auto refused = l.give(BackendTag::ErrorResponse, code + "Moops\0\0"s);
        check_refused(refused, "08P01");
        CHECK(refused.error().message == "oops");
        CHECK(l.login.was_refused());
    }
    Login l(credentials("secret"));
    check_refused(l.give(BackendTag::ErrorResponse, ""), "08P01");
}

TEST_CASE("messages before authentication or of the wrong kind are refused") {
    struct Case {
        BackendTag tag;
        std::string body;
    };
    const Case cases[] = {
        {BackendTag::ReadyForQuery, "I"},
        {BackendTag::ParameterStatus, "a\0b\0"s},
        {BackendTag::BackendKeyData, "12345678"},
        {BackendTag::Authentication, "\0\0\0"s},
        {BackendTag::Authentication, "\0\0\0\5sal"s},
        {BackendTag::Authentication, "\0\0\0\5salty"s},
        {BackendTag::Authentication, "\0\0\0\13x"s},
        {BackendTag::Authentication, "\0\0\0\14x"s},
        {BackendTag::DataRow, "\0\0"s},
        {BackendTag::CommandComplete, "x\0"s},
    };
    for (const Case& c : cases) {
        Login l(credentials("secret"));
        check_refused(l.give(c.tag, c.body), "08P01");
        CHECK_FALSE(l.login.was_refused());
    }
    const Case after[] = {
        {BackendTag::ReadyForQuery, "T"},          {BackendTag::ReadyForQuery, ""},
        {BackendTag::ParameterStatus, "a"},        {BackendTag::BackendKeyData, "1234567"},
        {BackendTag::Authentication, "\0\0\0\0"s}, {BackendTag::Authentication, "\0\0\0\3"s},
    };
    for (const Case& c : after) {
        Login l(credentials("secret"));
        l.auth(AuthRequest::Ok);
        check_refused(l.give(c.tag, c.body), "08P01");
        CHECK(l.reply.empty());
    }
}

TEST_CASE("what a client adds to the start-up message stands behind the entry's settings") {
    DatabaseConfig where = database();
    where.startup_parameters = {{"application_name", "entry"}};
    const StartupExtras extras{kProtocol32, {{"replication", "true"}, {"application_name", "own"}}};
    CHECK(ServerLogin(credentials(""), where, extras).start() ==
          make_startup_message({{"user", "bob"},
                                {"database", "shop"},
                                {"application_name", "entry"},
                                {"replication", "true"},
                                {"application_name", "own"}},
                               kProtocol32));
}

TEST_CASE("a server that does not speak 3.2 says so, and 3.0 is spoken") {
    for (const uint32_t asked : {kProtocol30, kProtocol32}) {
        const auto answer = [asked](const std::string& body) {
            ServerLogin l(credentials(""), database(), {asked, {}});
            std::string reply;
            return l.on_message(BackendTag::NegotiateProtocolVersion, as_bytes(body), reply)
                .has_value();
        };
        CHECK(answer("\0\3\0\0\0\0\0\0"s));
        CHECK(answer("\0\3\0\2\0\0\0\0"s) == (asked == kProtocol32));
        CHECK_FALSE(answer("\0\3\0\3\0\0\0\0"s));
        CHECK_FALSE(answer("\0\3\0\0\0\0\0\1_pq_.x\0"s));
        CHECK_FALSE(answer("\0\3\0"s));
    }
    ServerLogin l(credentials(""), database(), {kProtocol32, {}});
    std::string reply;
    CHECK_FALSE(*l.on_message(BackendTag::Authentication, as_bytes("\0\0\0\0"s), reply));
    CHECK_FALSE(
        l.on_message(BackendTag::NegotiateProtocolVersion, as_bytes("\0\3\0\0\0\0\0\0"s), reply)
            .has_value());
    const std::string key = "\0\0\0\7"s + std::string(256, 'k');
    CHECK_FALSE(*l.on_message(BackendTag::BackendKeyData, as_bytes(key), reply));
    CHECK(l.backend_key().process_id == 7);
    CHECK(l.backend_key().secret == std::string(256, 'k'));
}

TEST_CASE("notices and a negotiation do not disturb a login") {
    Login l(credentials(""));
    CHECK_FALSE(*l.give(BackendTag::NoticeResponse, "Mhello\0\0"s));
    CHECK_FALSE(*l.give(BackendTag::NegotiateProtocolVersion, "\0\3\0\0\0\0\0\0"s));
    l.finish();
}

TEST_CASE("the welcome has every parameter once and a bound") {
    Login l(credentials(""));
    l.auth(AuthRequest::Ok);
    l.give(BackendTag::ParameterStatus, "a\0one\0"s);
    l.give(BackendTag::ParameterStatus, "b\0two\0"s);
    l.give(BackendTag::ParameterStatus, "a\0three\0"s);
    CHECK(l.login.welcome() == Welcome{{{"a", "three"}, {"b", "two"}}});
    bool is_refused = false;
    for (int i = 0; i < 1000 && !is_refused; ++i) {
        is_refused = !l.give(BackendTag::ParameterStatus, "p" + std::to_string(i) + "\0v\0"s);
    }
    CHECK(is_refused);
    CHECK(l.login.welcome().parameters.size() <= 200);
}

TEST_CASE("random messages never misbehave and never end well without authentication") {
    Prng prng(16);
    constexpr std::string_view kTags = "RRRRRRSKZENv1T";
    for (int round = 0; round < 20'000; ++round) {
        Login l(credentials(prng.chance(80) ? "secret" : md5_secret("secret", "bob")));
        bool has_seen_ok = false;
        for (int step = 0; step < 8; ++step) {
            const auto tag = static_cast<BackendTag>(kTags[prng.below(kTags.size())]);
            std::string body(prng.below(20), '\0');
            for (char& c : body)
                c = prng.chance(40) ? '\0' : static_cast<char>(prng.next());
            if (tag == BackendTag::Authentication && prng.chance(90)) {
                const char code = "\0\3\5\12\13\14"[prng.below(6)];
                body = "\0\0\0"s + code +
                       (code == '\12'  ? "SCRAM-SHA-256\0\0"s
                        : code == '\5' ? "salt"
                                       : body);
                has_seen_ok = has_seen_ok || code == '\0';
            }
            if (tag == BackendTag::Authentication && body.substr(0, 4) == "\0\0\0\0"s)
                has_seen_ok = true;
            const auto result = l.give(tag, body);
            if (!result) break;
            if (*result && !has_seen_ok) FAIL(round);
        }
    }
}

}  // namespace
}  // namespace weir::server_login_test
