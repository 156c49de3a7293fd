// Goal: SET makes the configuration that a RELOAD of that value would make, and nothing that a file
// would be refused for. Method: each option of the table in turn.
#include "conf/option_edit.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "conf/auth_rules.h"
#include "conf/option_table.h"

namespace weir::option_edit_test {
namespace {

std::string text_of(const Config& config, std::string_view name) {
    return option_text(config.global, *find_option(name)).value_or("NULL");
}

TEST_CASE("an option has its new value, the configuration that was has the old one") {
    const Config before;
    const Result<ConfigPtr> after = with_option(before, "default_pool_size", "7");
    REQUIRE(after);
    CHECK(text_of(**after, "default_pool_size") == "7");
    CHECK(text_of(before, "default_pool_size") == "20");
}

TEST_CASE("every option that a reload may change takes its own default, others stay") {
    Config before;
    before.global.listen_port = 7000;
    for (const Option& option : option_table()) {
        if (option.default_text == nullptr || option.alias_of != nullptr) continue;
        CAPTURE(std::string(option.name));
        const Result<ConfigPtr> after =
            with_option(before, std::string(option.name), option.default_text);
        REQUIRE(after);
        if (option.change == Change::Reload) {
            CHECK(text_of(**after, option.name) == text_of(Config(), option.name));
        } else {
            CHECK(text_of(**after, option.name) == text_of(before, option.name));
        }
    }
}

TEST_CASE("what a file would be refused for is refused") {
    const Config config;
    const auto error = [&config](const std::string& name, const std::string& value) {
        const Result<ConfigPtr> changed = with_option(config, name, value);
        REQUIRE_FALSE(changed);
        return changed.error().message;
    };
    CHECK(error("bogus", "1").find("bogus") != std::string::npos);
    CHECK(error("default_pool_size", "many").find("many") != std::string::npos);
    CHECK(error("pool_mode", "often").find("often") != std::string::npos);
    CHECK_FALSE(error("degraded_below", "99").empty());  // contradicts up_from
    CHECK(error("auth_file", "/nonexistent/users").find("/nonexistent/users") != std::string::npos);
}

TEST_CASE("rules are read when they are wanted, and forgotten when they are not") {
    char path[] = "/tmp/weir-rules-XXXXXX";
    ::close(mkstemp(path));
    std::ofstream(path) << "local all all trust\n";
    Config config;
    config.global.auth_hba_file = path;
    const Result<ConfigPtr> with_rules = with_option(config, "auth_type", "hba");
    REQUIRE(with_rules);
    REQUIRE((*with_rules)->auth_rules);
    CHECK((*with_rules)->auth_rules->hba.rules.size() == 1);
    std::ofstream(path) << "nonsense\n";
    const Result<ConfigPtr> bad = with_option(**with_rules, "auth_hba_file", path);
    std::remove(path);
    REQUIRE_FALSE(bad);
    CHECK(bad.error().message.find(path) != std::string::npos);
    const Result<ConfigPtr> without = with_option(**with_rules, "auth_type", "md5");
    REQUIRE(without);
    CHECK((*without)->auth_rules == nullptr);
}

TEST_CASE("auth_file is read, and whoever is not in it any more is gone") {
    char path[] = "/tmp/weir-users-XXXXXX";
    ::close(mkstemp(path));
    std::ofstream(path) << "\"new\" \"secret\"\n";
    Config config;
    config.secrets["old"] = "x";
    const Result<ConfigPtr> changed = with_option(config, "auth_file", path);
    std::remove(path);
    REQUIRE(changed);
    REQUIRE((*changed)->secrets.size() == 1);
    CHECK((*changed)->secrets.at("new") == "secret");
}

}  // namespace
}  // namespace weir::option_edit_test
