// Goal: nobody runs a command that is not theirs. Every row of the command table and of the
// registry of SHOW is tried, by both protocols, as somebody of stats_users and as an administrator.
// Method: walk the tables; the fake Inspector tells what was done.
#include <doctest/doctest.h>

#include <set>

#include "admin/console/commands.h"
#include "console_fixture.h"

namespace weir::authorisation_test {
namespace {

using console_test::Answer;
using console_test::Fixture;

// A command of that row, with arguments that are right.
std::string example(const CommandSpec& spec) {
    std::string word(spec.word);
    if (!spec.object.empty()) word += " " + std::string(spec.object);
    switch (spec.argument) {
        case Argument::Database: return word + " app";
        case Argument::Client: return word + " 12";
        case Argument::Format: return word + " 1";
        case Argument::Backend: return word + " pg1";
        case Argument::BackendWeight: return word + " pg1 5";
        case Argument::BackendTo: return word + " pg4 'host=10.0.0.4' TO app";
        case Argument::BackendFrom: return word + " pg4 FROM app";
        case Argument::Statement: return word + " FOR app select 1";
        case Argument::Topic: return word + " POOLS";
        case Argument::Option: return word + " default_pool_size = 5";
        case Argument::Setting: return word + " client_encoding = 'UTF8'";
        default: return word;
    }
}

Answer run_extended(Fixture& f, const std::string& sql, uint32_t slot, bool is_admin) {
    using namespace console_test;
    f.send(parse("", sql) + bind_portal("", "") + execute() + sync(), slot, is_admin);
    return f.receive(slot);
}

const std::set<std::string> kOpenToAll = {"SHOW",       "SET",     "BEGIN",    "START",
                                          "COMMIT",     "END",     "ROLLBACK", "ABORT",
                                          "DEALLOCATE", "DISCARD", "RESET",    "EXPLAIN"};

TEST_CASE("somebody of stats_users may only look") {
    Fixture f;
    for (const CommandSpec& spec : command_table()) {
        const std::string sql = example(spec);
        CAPTURE(sql);
        const bool is_open = kOpenToAll.contains(std::string(spec.word)) &&
                             spec.argument != Argument::Option &&
                             spec.argument != Argument::Backend && spec.object != "QUERIES";
        CHECK((spec.access == Access::Everyone) == is_open);
        for (const bool is_extended : {false, true}) {
            const Answer answer =
                is_extended ? run_extended(f, sql, 2, false) : f.run(sql, 2, false);
            if (is_open) {
                CHECK(answer.error.empty());
                continue;
            }
            CHECK(answer.error.at('M') == "admin access needed");
            CHECK(answer.error.at('C') == "08P01");
            CHECK(answer.types == "EZ");
        }
    }
    CHECK(f.inspector.calls.empty());
}

TEST_CASE("somebody of stats_users sees everything but SHOW FDS") {
    Fixture f;
    const auto walk = [&f](const ShowSpec& spec) {
        const std::string sql = "SHOW " + std::string(spec.topic);
        CAPTURE(sql);
        CHECK((spec.access == Access::Admin) == (spec.topic == "FDS"));
        for (const bool is_extended : {false, true}) {
            const Answer answer =
                is_extended ? run_extended(f, sql, 2, false) : f.run(sql, 2, false);
            if (spec.access == Access::Admin) {
                CHECK(answer.error.at('M') == "admin access needed");
            } else {
                CHECK(answer.error.empty());
                CHECK(answer.tags == std::vector<std::string>{"SHOW"});
            }
        }
    };
    for (const ShowSpec* spec : show_table())
        walk(*spec);
    for (const ShowSpec& spec : setting_table())
        walk(spec);
}

TEST_CASE("an administrator may run every command and see every table") {
    Fixture f;
    uint32_t slot = 10;  // SHUTDOWN and TAKEOVER end their own
    for (const CommandSpec& spec : command_table()) {
        const std::string sql = example(spec);
        CAPTURE(sql);
        CHECK((spec.run != nullptr) != (spec.start != nullptr));
        const Answer answer = f.run(sql, slot++, true);
        CHECK(answer.error.empty());
        if (spec.word == "SHUTDOWN" || spec.word == "TAKEOVER") {
            CHECK(answer.types.empty());
            continue;
        }
        REQUIRE(answer.tags.size() == 1);
        CHECK(answer.types.back() == 'Z');
    }
    for (const ShowSpec* spec : show_table()) {
        const Answer answer = f.run("SHOW " + std::string(spec->topic), 3, true);
        CHECK(answer.tags == std::vector<std::string>{"SHOW"});
    }
}

TEST_CASE("who is admitted") {
    Fixture f;
    const Config& config = f.inspector.mutable_config();
    const auto admitted = [&f, &config](std::string_view user) {
        const VirtualDatabase::Admission admission = f.console.admit(config, user);
        return admission.is_admin ? "admin" : admission.is_allowed ? "stats" : "no";
    };
    CHECK(admitted("admin") == "admin");
    CHECK(admitted("stats") == "stats");
    CHECK(admitted("app") == "no");
    CHECK(admitted("") == "no");
    f.inspector.mutable_config().global.stats_users.push_back("admin");
    CHECK(admitted("admin") == "admin");
    f.inspector.mutable_config().global.auth_type = AuthType::Any;
    CHECK(admitted("stats") == "stats");
    CHECK(admitted("app") == "no");
    CHECK(f.console.owns("pgbouncer"));
    CHECK(f.console.owns("weir"));
    CHECK_FALSE(f.console.owns("app"));
    CHECK_FALSE(f.console.owns(""));
}

}  // namespace
}  // namespace weir::authorisation_test
