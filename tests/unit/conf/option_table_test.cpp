// Goal: every option of the table parses its default, refuses what it must and prints as PgBouncer
// prints. Method: walk the table for what holds for all rows; single cases for each type.
#include "conf/option_table.h"

#include <doctest/doctest.h>

#include <set>

namespace weir::option_table_test {
namespace {

const Option& option(const char* name) {
    const Option* found = find_option(name);
    REQUIRE(found != nullptr);
    return *found;
}

std::string set_and_print(const char* name, const char* value) {
    GlobalConfig config;
    const Status set = set_option(config, option(name), value);
    if (!set) return "error: " + set.error().message;
    return option_text(config, option(name)).value_or("NULL");
}

TEST_CASE("the table holds the 101 options of PgBouncer and our own") {
    size_t pgbouncer = 0, weir = 0;
    std::set<std::string> names;
    for (const Option& o : option_table()) {
        (o.section() == OptionSection::Weir ? weir : pgbouncer) += 1;
        CHECK(names.emplace(o.name).second);
    }
    CHECK(pgbouncer == 101);
    CHECK(weir == 19 + 14 + 5 + 33 + 6);
    CHECK(find_option("no_such_option") == nullptr);
}

TEST_CASE("every option accepts its default and has it from the start") {
    const GlobalConfig initial;
    for (const Option& o : option_table()) {
        CAPTURE(o.name);
        if (o.default_text == nullptr) continue;
        GlobalConfig config;
        CHECK(set_option(config, o, o.default_text));
        CHECK(option_text(config, o) == std::string(o.default_text));
        CHECK(option_text(initial, o) == std::string(o.default_text));
    }
}

TEST_CASE("every option without default starts unset") {
    const GlobalConfig initial;
    size_t unset = 0;
    for (const Option& o : option_table()) {
        if (o.default_text != nullptr || o.alias_of != nullptr) continue;
        CAPTURE(o.name);
        ++unset;
        const std::string text = option_text(initial, o).value_or("NULL");
        CHECK(text == (std::string(o.name) == "verbose" ? "0" : "NULL"));
    }
    CHECK(unset == 10);
}

TEST_CASE("every number takes its bounds and refuses what lies beyond") {
    for (const Option& o : option_table()) {
        if (o.type != OptionType::Int && o.type != OptionType::Size &&
            o.type != OptionType::Octal) {
            continue;
        }
        CAPTURE(o.name);
        GlobalConfig config;
        CHECK(set_option(config, o, std::to_string(o.bounds.min)));
        CHECK(set_option(config, o, std::to_string(o.bounds.max)));
        const GlobalConfig before = config;
        CHECK_FALSE(set_option(config, o, std::to_string(o.bounds.min - 1)));
        CHECK_FALSE(set_option(config, o, std::to_string(o.bounds.max + 1)));
        CHECK_FALSE(set_option(config, o, "5s"));
        CHECK_FALSE(set_option(config, o, ""));
        CHECK(option_text(config, o) == option_text(before, o));
    }
}

TEST_CASE("every time, switch and word refuses another kind of text and names a remedy") {
    for (const Option& o : option_table()) {
        if (o.type != OptionType::Time && o.type != OptionType::Bool &&
            o.type != OptionType::Word) {
            continue;
        }
        CAPTURE(o.name);
        GlobalConfig config;
        for (const char* text : {"", "on", "-0.5", "no such word", "5s"}) {
            const Status set = set_option(config, o, text);
            REQUIRE_FALSE(set);
            CHECK(set.error().message.find(o.name) != std::string::npos);
            CHECK(set.error().message.find("; give") != std::string::npos);
        }
    }
}

TEST_CASE("every word of an enumeration is accepted and printed as the table spells it") {
    for (const Option& o : option_table()) {
        for (const Word& word : o.words) {
            CAPTURE(o.name);
            CAPTURE(word.text);
            GlobalConfig config;
            CHECK(set_option(config, o, word.text));
            CHECK(option_text(config, o) == std::string(word.text));
        }
        CHECK((o.type == OptionType::Word) == !o.words.empty());
    }
}

TEST_CASE("values print as PgBouncer prints them") {
    CHECK(set_and_print("server_check_delay", "0.5") == "0.5");
    CHECK(set_and_print("server_lifetime", "1e3") == "1000");
    CHECK(set_and_print("server_idle_timeout", "600.75") == "600.75");
    CHECK(set_and_print("max_client_conn", "0x20") == "32");
    CHECK(set_and_print("max_client_conn", "010") == "8");
    CHECK(set_and_print("tcp_keepalive", "5") == "1");
    CHECK(set_and_print("log_connections", "-1") == "1");
    CHECK(set_and_print("log_connections", "0") == "0");
    CHECK(set_and_print("unix_socket_mode", "0700") == "0700");
    CHECK(set_and_print("unix_socket_mode", "448") == "0700");
    CHECK(set_and_print("pool_mode", "TRANSACTION") == "transaction");
    CHECK(set_and_print("auth_type", "Scram-SHA-256") == "scram-sha-256");
    CHECK(set_and_print("syslog_facility", "LOCAL3") == "local3");
    CHECK(set_and_print("admin_users", "a, b ,c") == "a,b,c");
    CHECK(set_and_print("max_packet_size", "4294967295") == "4294967295");
    CHECK(set_and_print("server_check_query", "") == "");
    CHECK(set_and_print("auth_file", "") == "NULL");
    CHECK(set_and_print("auth_file", "u.txt") == "u.txt");
}

TEST_CASE("a file mode written without its leading zero is explained") {
    CHECK(set_and_print("unix_socket_mode", "777") ==
          "error: invalid value \"777\" for unix_socket_mode: not a file mode; write it in octal "
          "with "
          "a leading 0, such as 0770");
}

TEST_CASE("errors name the value, the option, what is wrong and what would be right") {
    CHECK(set_and_print("default_pool_size", "5x") ==
          "error: invalid value \"5x\" for default_pool_size: not a whole number; give a whole "
          "number "
          "from 0 to 2147483647");
    CHECK(
        set_and_print("listen_port", "70000") ==
        "error: invalid value \"70000\" for listen_port: out of range; give a whole number from 0 "
        "to 65535");
    CHECK(set_and_print("log_stats", "yes") ==
          "error: invalid value \"yes\" for log_stats: not a switch; give 0 for off or 1 for on");
    CHECK(set_and_print("auth_dbname", "pgbouncer").find("reserved for the console") !=
          std::string::npos);
    CHECK(set_and_print("auth_dbname", "postgres") == "postgres");
}

TEST_CASE("an option is looked for in its own section") {
    GlobalConfig config;
    CHECK(set_option(config, "pgbouncer", "listen_port", "1"));
    CHECK(set_option(config, "weir", "workers", "2"));
    CHECK(config.listen_port == 1);
    CHECK(config.workers == 2);
    CHECK(set_option(config, "pgbouncer", "workers", "2").error().message ==
          "option \"workers\" does not belong in [pgbouncer]; move it to [weir]");
    CHECK(set_option(config, "weir", "listen_port", "2").error().message ==
          "option \"listen_port\" does not belong in [weir]; move it to [pgbouncer]");
    CHECK(set_option(config, "pgbouncer", "listen_prot", "2").error().message ==
          "unknown option \"listen_prot\" in [pgbouncer]; did you mean \"listen_port\"?");
    CHECK(set_option(config, "pgbouncer", "LOGFILE", "2").error().message ==
          "unknown option \"LOGFILE\" in [pgbouncer]; did you mean \"logfile\"?");
    CHECK(set_option(config, "pgbouncer", "shared_buffers", "2").error().message ==
          "unknown option \"shared_buffers\" in [pgbouncer]; check its spelling or remove it");
    CHECK(config.listen_port == 1);
}

TEST_CASE("SET changes what a reload can change and leaves the rest alone") {
    GlobalConfig config;
    CHECK(set_running_option(config, "default_pool_size", "7"));
    CHECK(config.default_pool_size == 7);
    CHECK(set_running_option(config, "login_burst", "5"));
    CHECK(config.login_burst == 5);
    CHECK(set_running_option(config, "listen_port", "7"));
    CHECK(config.listen_port == 6432);
    CHECK_FALSE(set_running_option(config, "listen_port", "x"));
    CHECK_FALSE(set_running_option(config, "default_pool_size", "x"));
    CHECK(set_running_option(config, "default_pol_size", "7").error().message ==
          "unknown option \"default_pol_size\"; did you mean \"default_pool_size\"?");
    CHECK(config.default_pool_size == 7);
}

TEST_CASE("SET refuses what contradicts another option") {
    GlobalConfig config;
    CHECK(set_running_option(config, "lag_hard", "1").error().message ==
          "lag_hard (1 s) is below lag_soft (2 s); change one of them");
    CHECK(config.lag_hard == std::chrono::seconds(10));
    CHECK(set_running_option(config, "lag_soft", "1"));
    CHECK(set_running_option(config, "lag_hard", "1"));
}

TEST_CASE("a secret is kept and compared, but never printed") {
    GlobalConfig a, b;
    CHECK(set_and_print("probe_password", "") == "");
    CHECK(set_and_print("probe_password", "hidden") == "********");
    CHECK(set_option(a, option("probe_password"), "hidden"));
    CHECK(a.probe_password == "hidden");
    CHECK(is_same_value(option("probe_password"), a, a));
    CHECK_FALSE(is_same_value(option("probe_password"), a, b));
    for (const ShowConfigRow& row : show_config(a)) {
        CHECK(row.value.value_or("").find("hidden") == std::string::npos);
    }
}

TEST_CASE("intervals of probes are above zero") {
    for (const char* name : {"probe_interval", "probe_interval_fast", "probe_timeout",
                             "ejection_time", "ejection_time_max"}) {
        CAPTURE(name);
        CHECK(set_and_print(name, "0") == "error: invalid value \"0\" for " + std::string(name) +
                                              ": must be above 0; give seconds such as 1 or 0.5");
        CHECK(set_and_print(name, "0.25") == "0.25");
    }
    CHECK(set_and_print("auth_failures_window", "0").find("must be above 0") != std::string::npos);
    CHECK(set_and_print("auth_failure_delay", "60") == "60");
    CHECK(set_and_print("auth_failure_delay", "60.1") ==
          "error: invalid value \"60.1\" for auth_failure_delay: must be at most 60; give seconds "
          "such as 0.5");
    CHECK(set_and_print("breaker_hold", "0") == "0");
    CHECK(set_and_print("lag_hard_bytes", "6000000000") == "6000000000");
    CHECK(set_and_print("load_balance", "Random") == "random");
}

TEST_CASE("a reset gives the defaults back in one section and leaves options without default") {
    GlobalConfig config;
    config.default_pool_size = 7;
    config.workers = 3;
    config.auth_file = "u";
    config.verbose = 2;
    config.job_name = "j";
    reset_section(config, OptionSection::Pgbouncer);
    CHECK(config.default_pool_size == 20);
    CHECK(config.job_name == "pgbouncer");
    CHECK(config.workers == 3);
    CHECK(config.auth_file == "u");
    CHECK(config.verbose == 2);
    reset_section(config, OptionSection::Weir);
    CHECK(config.workers == 0);
}

TEST_CASE("SHOW CONFIG lists every option by name but not its aliases") {
    GlobalConfig config;
    config.pool_mode = PoolMode::Statement;
    const std::vector<ShowConfigRow> rows = show_config(config);
    CHECK(rows.size() == option_table().size() - 1);
    for (size_t i = 1; i < rows.size(); ++i) {
        CHECK(rows[i - 1].key < rows[i].key);
    }
    for (const ShowConfigRow& row : rows) {
        CHECK(row.key != "service_name");
        if (row.key == "pool_mode") {
            CHECK(row.value == "statement");
            CHECK(row.default_text == "session");
            CHECK(row.changeable);
        } else if (row.key == "listen_port") {
            CHECK_FALSE(row.changeable);
        } else if (row.key == "auth_file") {
            CHECK_FALSE(row.value);
            CHECK_FALSE(row.default_text);
        } else if (row.key == "logfile") {
            CHECK(row.value == "");
            CHECK(row.default_text == "");
        }
    }
}

TEST_CASE("every row has a sentence of documentation") {
    for (const Option& o : option_table()) {
        CAPTURE(o.name);
        const std::string doc = o.doc;
        CHECK(doc.size() > 10);
        CHECK(doc.back() == '.');
        CHECK(doc.find('|') == std::string::npos);  // would break the table of the reference
    }
}

}  // namespace
}  // namespace weir::option_table_test
