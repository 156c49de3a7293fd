// Goal: the command line says what PgBouncer's would.
// Method: by hand, every option in each of its spellings.
#include "proxy/start/command_line.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace weir::command_line_test {
namespace {

CommandLine parse(std::vector<std::string> words) {
    words.insert(words.begin(), "weir");
    std::vector<char*> argv;
    for (std::string& word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);
    return parse_command_line(static_cast<int>(words.size()), argv.data());
}

TEST_CASE("the command line: nothing but a file") {
    const CommandLine line = parse({"a.ini"});
    CHECK_FALSE(line.exit_code);
    CHECK(line.config_file == "a.ini");
    CHECK_FALSE(line.is_daemon);
    CHECK_FALSE(line.is_reboot);
    CHECK_FALSE(line.is_quiet);
    CHECK(line.verbose == 0);
    CHECK(line.user.empty());
}

TEST_CASE("the command line: short options go together, long ones may follow the file") {
    const CommandLine line = parse({"-Rvv", "a.ini", "--verbose", "-u", "postgres", "--quiet"});
    CHECK_FALSE(line.exit_code);
    CHECK(line.is_reboot);
    CHECK(line.is_quiet);
    CHECK(line.verbose == 3);
    CHECK(line.user == "postgres");
    CHECK(parse({"--user=me", "a.ini"}).user == "me");
    CHECK(parse({"-ume", "a.ini"}).user == "me");
}

TEST_CASE("the command line: the background is quiet") {
    const CommandLine line = parse({"--daemon", "a.ini"});
    CHECK(line.is_daemon);
    CHECK(line.is_quiet);
}

TEST_CASE("the command line: --verify-log takes any number of files") {
    CHECK(parse({"--verify-log", "b", "a"}).verified_logs == std::vector<std::string>{"b", "a"});
    CHECK(parse({"--verify-log"}).exit_code == 1);
    CHECK(parse({"a.ini"}).verified_logs.empty());
}

TEST_CASE("the command line: mistakes exit with 1, questions with 0") {
    CHECK(parse({}).exit_code == 1);
    CHECK(parse({"-d"}).exit_code == 1);
    CHECK(parse({"a.ini", "b.ini"}).exit_code == 1);
    CHECK(parse({"--nonsense", "a.ini"}).exit_code == 1);
    CHECK(parse({"-x", "a.ini"}).exit_code == 1);
    CHECK(parse({"a.ini", "-u"}).exit_code == 1);
    CHECK(parse({"--version"}).exit_code == 0);
    CHECK(parse({"-V"}).exit_code == 0);
    CHECK(parse({"-h"}).exit_code == 0);
    CHECK(parse({"-d", "--help"}).exit_code == 0);
}

TEST_CASE("the command line: a question about the configuration, instead of serving") {
    CHECK(parse({"a.ini"}).task == Task::Serve);
    CHECK(parse({"--check-config", "a.ini"}).task == Task::CheckConfig);
    CHECK(parse({"--explain-config", "a.ini"}).task == Task::ExplainConfig);
    CHECK_FALSE(parse({"--check-config", "a.ini"}).is_json);
    CHECK(parse({"a.ini", "--json", "--check-config"}).is_json);
    CHECK(parse({"--check-config"}).exit_code == 1);
}

}  // namespace
}  // namespace weir::command_line_test
