// Goal: a login may wait for what others know, and whatever happens meanwhile is safe. Method: one
// worker with clients in memory; sources that keep their questions until the test answers them.
#include "proxy/session/login/authentication.h"

#include <doctest/doctest.h>

#include "protocol/message/startup.h"
#include "proxy/session/login/client_login.h"
#include "tests/support/login_rig.h"

namespace weir::sim::authentication_test {
namespace {

class SlowSource final : public SecretSource {
  public:
    std::optional<Result<UserSecret>> look_up(const SecretRequest& request) override {
        asked.push_back(request.question);
        users.push_back(request.user);
        return std::nullopt;
    }
    std::vector<LoginQuestion> asked;
    std::vector<std::string> users;
};

class QuickSource final : public SecretSource {
  public:
    std::optional<Result<UserSecret>> look_up(const SecretRequest& request) override {
        if (request.user == "known") return UserSecret{true, SecretString("pw")};
        if (request.user == "broken") return tl::unexpected<Error>(Error("08006", "no way"));
        return UserSecret{};
    }
};

class SlowChecker final : public PasswordChecker {
  public:
    Status submit(PasswordCheck check) override {
        if (is_full) return fail("53300", "too many logins wait");
        checks.push_back(std::move(check));
        return {};
    }
    bool is_full = false;
    std::vector<PasswordCheck> checks;
};

std::shared_ptr<Config> plain_config(AuthType type = AuthType::Plain) {
    auto config = make_login_config();
    config->global.auth_type = type;
    return config;
}

std::string password(std::string_view text) {
    std::string out = "p";
    const auto bytes = static_cast<uint32_t>(4 + text.size() + 1);
    for (int shift = 24; shift >= 0; shift -= 8)
        out.push_back(static_cast<char>(bytes >> shift & 0xff));
    out.append(text).push_back('\0');
    return out;
}

bool asks_plain_password(const std::string& bytes) {
    return bytes == std::string("R\0\0\0\x08\0\0\0\x03", 9);
}

bool is_welcome(const std::string& bytes) {
    return bytes.starts_with(std::string("R\0\0\0\x08\0\0\0\0", 9)) && bytes.ends_with("\x05I");
}

bool has(const std::string& bytes, std::string_view text) {
    return bytes.find(text) != std::string::npos;
}

// auth_type hba with these rules.
std::shared_ptr<Config> rules_config(const std::string& hba, const std::string& ident = "") {
    auto config = plain_config(AuthType::Hba);
    config->global.auth_hba_file = "hba";
    if (!ident.empty()) config->global.auth_ident_file = "ident";
    const AuthFiles files{
        [&](const std::string& path) -> Result<std::string> { return path == "hba" ? hba : ident; },
        read_directory};
    REQUIRE(load_auth_rules(*config, files, {}).empty());
    return config;
}

LoginAnswer answer(LoginQuestion question, UserSecret secret) {
    return {question, std::move(secret)};
}

}  // namespace

TEST_CASE("a user of auth_file is asked and welcomed") {
    LoginRig rig(plain_config());
    const LinkPtr client = rig.connect();
    rig.start(*client, "u", "db");
    CHECK(asks_plain_password(rig.received(*client)));
    rig.send(*client, password("secret"));
    CHECK(is_welcome(rig.received(*client)));
}

TEST_CASE("a secret that comes later resumes the login, and what was sent meanwhile counts") {
    LoginRig rig(plain_config());
    SlowSource source;
    rig.context().secrets = &source;
    rig.know_server("db", "late");
    const LinkPtr client = rig.connect();
    rig.start(*client, "late", "db");
    REQUIRE(source.users == std::vector<std::string>{"late"});
    CHECK(rig.received(*client).empty());
    rig.send(*client, password("pw"));  // before it is asked for
    CHECK(rig.received(*client).empty());
    rig.deliver(answer(source.asked[0], {true, SecretString("pw")}));
    const std::string got = rig.received(*client);
    CHECK(asks_plain_password(got.substr(0, 9)));
    CHECK(is_welcome(got.substr(9)));
}

TEST_CASE("users of auth_file are not looked up elsewhere") {
    LoginRig rig(plain_config());
    SlowSource source;
    rig.context().secrets = &source;
    const LinkPtr client = rig.connect();
    rig.start(*client, "u", "db");
    CHECK(source.asked.empty());
    CHECK(asks_plain_password(rig.received(*client)));
}

TEST_CASE("a secret that is known at once needs no waiting") {
    LoginRig rig(plain_config());
    QuickSource source;
    rig.context().secrets = &source;
    rig.know_server("db", "known");
    const LinkPtr known = rig.connect();
    rig.start(*known, "known", "db");
    rig.send(*known, password("pw"));
    CHECK(is_welcome(rig.received(*known).substr(9)));
    const LinkPtr stranger = rig.connect();
    rig.start(*stranger, "stranger", "db");
    CHECK(asks_plain_password(rig.received(*stranger)));
    rig.send(*stranger, password("pw"));
    CHECK(has(rig.received(*stranger), "password authentication failed"));
    const LinkPtr broken = rig.connect();
    rig.start(*broken, "broken", "db");
    CHECK(has(rig.received(*broken), "no way"));
}

TEST_CASE("answers to logins that have ended, or to old questions, change nothing") {
    LoginRig rig(plain_config());
    SlowSource source;
    rig.context().secrets = &source;
    const LinkPtr gone = rig.connect();
    rig.start(*gone, "a", "db");
    rig.hang_up(*gone);
    CHECK(rig.clients() == 0);
    const LinkPtr next = rig.connect();  // in the same slot
    rig.start(*next, "b", "db");
    REQUIRE(source.asked.size() == 2);
    CHECK(source.asked[0].client.slot == source.asked[1].client.slot);
    rig.deliver(answer(source.asked[0], {true, SecretString("pw")}));
    LoginQuestion other = source.asked[1];
    ++other.number;
    rig.deliver(answer(other, {true, SecretString("pw")}));
    CHECK(rig.received(*next).empty());
    rig.deliver(answer(source.asked[1], {true, SecretString("pw")}));
    CHECK(asks_plain_password(rig.received(*next)));
    rig.deliver(answer(source.asked[1], {true, SecretString("again")}));  // twice
    CHECK(rig.received(*next).empty());
}

TEST_CASE("client_login_timeout ends a login whose secret does not come") {
    LoginRig rig(plain_config());
    SlowSource source;
    rig.context().secrets = &source;
    const LinkPtr client = rig.connect();
    rig.start(*client, "late", "db");
    rig.pass(std::chrono::seconds(59));
    CHECK(rig.received(*client).empty());
    rig.pass(std::chrono::seconds(2));
    CHECK(has(rig.received(*client), "client_login_timeout"));
    rig.deliver(answer(source.asked[0], {true, SecretString("pw")}));
    CHECK(rig.received(*client).empty());
}

TEST_CASE("an error instead of a secret is told to the client") {
    LoginRig rig(plain_config());
    SlowSource source;
    rig.context().secrets = &source;
    const LinkPtr client = rig.connect();
    rig.start(*client, "late", "db");
    rig.deliver({source.asked[0], Error("08006", "auth_query failed")});
    const std::string got = rig.received(*client);
    CHECK(has(got, "auth_query failed"));
    CHECK(has(got, "08006"));
}

TEST_CASE("a password is checked elsewhere, with all that is needed for it") {
    LoginRig rig(plain_config(AuthType::Pam));
    SlowChecker checker;
    rig.shared().password_checker = &checker;
    rig.know_server("db", "somebody");
    const LinkPtr right = rig.connect("192.0.2.7");
    rig.start(*right, "somebody", "db");
    CHECK(asks_plain_password(rig.received(*right)));
    rig.send(*right, password("pw"));
    REQUIRE(checker.checks.size() == 1);
    CHECK(checker.checks[0].user == "somebody");
    CHECK(checker.checks[0].database == "db");
    CHECK(checker.checks[0].client_host == "192.0.2.7");
    CHECK(checker.checks[0].password == SecretString("pw"));
    CHECK(rig.received(*right).empty());
    rig.deliver({checker.checks[0].question, PasswordVerdict{true}});
    CHECK(is_welcome(rig.received(*right)));
    const LinkPtr wrong = rig.connect();
    rig.start(*wrong, "somebody", "db");
    rig.send(*wrong, password("no"));
    rig.deliver({checker.checks[1].question, PasswordVerdict{false}});
    CHECK(has(rig.received(*wrong), "PAM authentication failed"));
    checker.is_full = true;
    const LinkPtr late = rig.connect();
    rig.start(*late, "somebody", "db");
    rig.send(*late, password("pw"));
    CHECK(has(rig.received(*late), "too many logins wait"));
}

TEST_CASE("a check that wants its answer held back has it held back") {
    LoginRig rig(plain_config(AuthType::Ldap));
    SlowChecker checker;
    rig.shared().password_checker = &checker;
    const LinkPtr client = rig.connect();
    rig.start(*client, "somebody", "db");
    rig.received(*client);
    rig.send(*client, password("no"));
    REQUIRE(checker.checks.size() == 1);
    CHECK_FALSE(checker.checks[0].question.is_over->load());
    rig.deliver({checker.checks[0].question,
                 PasswordVerdict{.is_right = false, .delay = std::chrono::seconds(2)}});
    CHECK(rig.received(*client).empty());
    rig.pass(std::chrono::milliseconds(2100));
    CHECK(has(rig.received(*client), "LDAP authentication failed"));
}

TEST_CASE("who is asked learns when the login has ended") {
    LoginRig rig(plain_config(AuthType::Pam));
    SlowChecker checker;
    rig.shared().password_checker = &checker;
    const LinkPtr client = rig.connect();
    rig.start(*client, "somebody", "db");
    rig.send(*client, password("pw"));
    REQUIRE(checker.checks.size() == 1);
    CHECK_FALSE(checker.checks[0].question.is_over->load());
    rig.hang_up(*client);
    CHECK(checker.checks[0].question.is_over->load());
}

TEST_CASE("wrong passwords that are found out elsewhere are counted and answered late") {
    auto config = plain_config(AuthType::Pam);
    config->global.auth_failures_max = 2;
    config->global.auth_failure_delay = std::chrono::seconds(1);
    LoginRig rig(config);
    SlowChecker checker;
    rig.shared().password_checker = &checker;
    for (size_t i = 0; i < 2; ++i) {
        const LinkPtr client = rig.connect();
        rig.start(*client, "somebody", "db");
        rig.received(*client);
        rig.send(*client, password("no"));
        rig.deliver({checker.checks.at(i).question, PasswordVerdict{false}});
        CHECK(rig.received(*client).empty());
        rig.pass(std::chrono::milliseconds(1100));  // deadlines are coarse
        CHECK(has(rig.received(*client), "PAM authentication failed"));
    }
    const LinkPtr client = rig.connect();
    rig.start(*client, "somebody", "db");
    CHECK(has(rig.received(*client), "too many wrong passwords"));
    CHECK(checker.checks.size() == 2);
}

TEST_CASE("rules are asked before any secret is looked up") {
    LoginRig rig(rules_config("host db good all password\nhost db bad all reject\n"));
    SlowSource source;
    rig.context().secrets = &source;
    const LinkPtr rejected = rig.connect();
    rig.start(*rejected, "bad", "db");
    CHECK(has(rig.received(*rejected), "login rejected"));
    const LinkPtr unknown = rig.connect();
    rig.start(*unknown, "neither", "db");
    CHECK(has(rig.received(*unknown), "no authentication method is found"));
    CHECK(source.asked.empty());
    const LinkPtr good = rig.connect();
    rig.start(*good, "good", "db");
    CHECK(source.users == std::vector<std::string>{"good"});
}

TEST_CASE("rules see where a client comes from") {
    LoginRig rig(rules_config("host db u 192.0.2.0/24 trust\nlocal db u password\n"));
    const LinkPtr near = rig.connect("192.0.2.9");
    rig.start(*near, "u", "db");
    CHECK(is_welcome(rig.received(*near)));
    const LinkPtr far = rig.connect("198.51.100.1");
    rig.start(*far, "u", "db");
    CHECK(has(rig.received(*far), "no authentication method is found"));
    const LinkPtr local = rig.connect("unix");
    rig.start(*local, "u", "db");
    CHECK(asks_plain_password(rig.received(*local)));
}

TEST_CASE("a peer is asked of the system, and let in under its own name only") {
    LoginRig rig(rules_config("local db all peer\n"));
    const auto login = [&rig](const std::string& user, const std::string& system) {
        const LinkPtr client = rig.connect("unix");
        rig.start(*client, user, "db");
        CHECK(rig.received(*client).empty());
        REQUIRE(!rig.to_control.empty());
        const ControlMessage question = rig.to_control.back();
        rig.to_control.clear();
        CHECK(question.kind == ControlMessage::Kind::FindSystemUser);
        CHECK(question.system_user == 1234);  // as the rig's sockets tell
        rig.deliver({question.question, SystemUser{system}});
        return rig.received(*client);
    };
    CHECK(is_welcome(login("u", "u")));
    CHECK(has(login("u", "other"), "unix socket login rejected"));
    CHECK(has(login("u", ""), "unix socket login rejected"));
    CHECK(has(login("ghost", "ghost"), "unix socket login rejected"));  // not in auth_file
}

TEST_CASE("a reload during a login changes neither its rule nor its map") {
    LoginRig rig(rules_config("local db all peer map=m\n", "m ann u\n"));
    const LinkPtr client = rig.connect("unix");
    rig.start(*client, "u", "db");
    REQUIRE(rig.to_control.size() == 1);
    rig.set_config(rules_config("local db all reject\n"));
    rig.deliver({rig.to_control[0].question, SystemUser{"ann"}});
    CHECK(is_welcome(rig.received(*client)));
}

TEST_CASE("certificates are judged before secrets are looked up") {
    LoginRig rig(plain_config(AuthType::Cert));
    SlowSource source;
    rig.context().secrets = &source;
    rig.know_server("db", "late");
    const auto session_of = [&rig]() -> ClientSession& {
        ClientSession* session = rig.context().clients_slab.at(0);
        REQUIRE(session->login != nullptr);
        return *session;
    };
    const LinkPtr plain = rig.connect();
    rig.start(*plain, "late", "db");
    CHECK(has(rig.received(*plain), "certificate authentication failed"));
    rig.hang_up(*plain);
    CHECK(source.asked.empty());
    const LinkPtr client = rig.connect();
    ClientSession& session = session_of();
    session.is_tls = true;
    session.login->authentication().identity = {true, "late", {}};
    rig.start(*client, "late", "db");
    REQUIRE(source.asked.size() == 1);
    rig.deliver(answer(source.asked[0], {true, SecretString("pw")}));
    CHECK(is_welcome(rig.received(*client)));
}

TEST_CASE("wrong certificates are counted and answered late, as wrong passwords are") {
    auto config = plain_config(AuthType::Cert);
    config->global.auth_failures_max = 1;
    config->global.auth_failure_delay = std::chrono::seconds(1);
    LoginRig rig(config);
    const LinkPtr first = rig.connect();
    rig.start(*first, "u", "db");
    CHECK(rig.received(*first).empty());
    rig.pass(std::chrono::milliseconds(1100));
    CHECK(has(rig.received(*first), "certificate authentication failed"));
    const LinkPtr second = rig.connect();
    rig.start(*second, "u", "db");
    CHECK(has(rig.received(*second), "too many wrong passwords"));
}

TEST_CASE("trust wants a user that there is, and so does a forced user's database") {
    auto config = plain_config(AuthType::Trust);
    config->databases["db"].user = "u";
    LoginRig rig(config);
    const LinkPtr known = rig.connect();
    rig.start(*known, "u", "db");
    CHECK(is_welcome(rig.received(*known)));
    const LinkPtr stranger = rig.connect();
    rig.start(*stranger, "stranger", "db");
    CHECK(has(rig.received(*stranger), "\"trust\" authentication failed"));
}

TEST_CASE("any lets everybody in where a user is forced") {
    auto config = plain_config(AuthType::Any);
    LoginRig free(config);
    const LinkPtr refused = free.connect();
    free.start(*refused, "whoever", "db");
    CHECK(has(free.received(*refused), "bouncer config error"));
    auto forced = plain_config(AuthType::Any);
    forced->databases["db"].user = "u";
    LoginRig rig(forced);
    const LinkPtr client = rig.connect();
    rig.start(*client, "whoever", "db");
    CHECK(is_welcome(rig.received(*client)));
}

TEST_CASE("a user name that PostgreSQL could not have is refused") {
    LoginRig rig(plain_config());
    const LinkPtr client = rig.connect();
    rig.start(*client, std::string(128, 'x'), "db");
    CHECK(has(rig.received(*client), "username too long"));
}

}  // namespace weir::sim::authentication_test
