// Goal: the console's grammar takes all of PgBouncer's and a little more, and every refusal names
// its place. Method: texts and what they must become.
#include "admin/console/command_parser.h"

#include <doctest/doctest.h>

#include <random>

namespace weir::command_parser_test {
namespace {

// "[SHOW|pools]" for each command, "[SET|x=y]" for assignments.
std::string parsed(std::string_view query) {
    const auto commands = parse_commands(query);
    if (!commands) return commands.error().sqlstate + " " + commands.error().message;
    std::string out;
    for (const Command& command : *commands) {
        out += "[";
        for (size_t i = 0; i < command.words.size(); ++i) {
            out += (i == 0 ? "" : "|") + command.words[i].text;
        }
        out += command.value.empty() ? "]" : "=" + command.value + "]";
    }
    return out;
}

TEST_CASE("a command is words, in quotes or not") {
    CHECK(parsed("SHOW pools") == "[SHOW|pools]");
    CHECK(parsed("  show\tPools \n;") == "[show|Pools]");
    CHECK(parsed("pause \"my db\"") == "[pause|my db]");
    CHECK(parsed("pause \"a \"\"b\"\"\"") == "[pause|a \"b\"]");
    CHECK(parsed("\"show\" \"pools\"") == "[show|pools]");
    CHECK(parsed("pause my-db.example_1$") == "[pause|my-db.example_1$]");
    CHECK(parsed("pause gr\xC3\xBC\xC3\x9F"
                 "e") ==
          "[pause|gr\xC3\xBC\xC3\x9F"
          "e]");
    CHECK(parsed("show\"pools\"") == "[show|pools]");
    CHECK(parsed("KILL_CLIENT 12") == "[KILL_CLIENT|12]");
}

TEST_CASE("a query may hold no command or several") {
    CHECK(parsed("") == "");
    CHECK(parsed("  ;; \n ;") == "");
    CHECK(parsed("show a; show b;;show c") == "[show|a][show|b][show|c]");
}

TEST_CASE("SET takes = or TO and a word or a string") {
    CHECK(parsed("SET a = 5") == "[SET|a=5]");
    CHECK(parsed("set a=5;") == "[set|a=5]");
    CHECK(parsed("set a to 'x ''y'' z'") == "[set|a=x 'y' z]");
    CHECK(parsed("set a='"
                 "'") == "[set|a]");
    CHECK(parsed("set \"a b\" TO \"c d\"") == "[set|a b=c d]");
    CHECK(parsed("set session a = b") == "[set|a=b]");
    CHECK(parsed("set local a = b") == "[set|a=b]");
    CHECK(parsed("set session = b") == "[set|session=b]");
    CHECK(parsed("set to to to") == "[set|to=to]");
    CHECK(parsed("set datestyle to ISO, MDY") == "[set|datestyle=ISO, MDY]");
}

TEST_CASE("ADD describes what it adds in a string") {
    CHECK(parsed("ADD BACKEND pg4 'host=h port=1' TO app") ==
          "[ADD|BACKEND|pg4|TO|app=host=h port=1]");
    CHECK(parsed("add backend \"a b\" 'zone=''x y''' to \"*\"; show b") ==
          "[add|backend|a b|to|*=zone='x y'][show|b]");
    CHECK(parsed("add backend pg4 to app") == "[add|backend|pg4|to|app]");
    CHECK(parsed("add") == "[add]");
    CHECK(parsed("add backend 'x'") == "08P01 syntax error at character 13, near \"'x'\"");
    CHECK(parsed("add backend a to 'x'") == "08P01 syntax error at character 18, near \"'x'\"");
    CHECK(parsed("add backend a 'x' 'y'") == "08P01 syntax error at character 19, near \"'y'\"");
    CHECK(parsed("add backend a 'x") ==
          "08P01 quoted string without end at character 15, near \"'x\"");
}

TEST_CASE("comments are blanks") {
    CHECK(parsed("-- hello\nshow/* a */pools--b") == "[show|pools]");
    CHECK(parsed("/* a /* b */ c */ show pools") == "[show|pools]");
    CHECK(parsed("pause a--b") == "[pause|a]");
}

TEST_CASE("a syntax error names the place") {
    CHECK(parsed("show (pools)") == "08P01 syntax error at character 6, near \"(pools)\"");
    CHECK(parsed("\xC3\xBC\xC3\xBC +") == "08P01 syntax error at character 4, near \"+\"");
    CHECK(parsed("set") == "08P01 syntax error at character 4: the command ends there");
    CHECK(parsed("set a") == "08P01 syntax error at character 6: the command ends there");
    CHECK(parsed("set a = ") == "08P01 syntax error at character 9: the command ends there");
    CHECK(parsed("set a = ;") == "08P01 syntax error at character 9, near \";\"");
    CHECK(parsed("set a b = c") == "08P01 syntax error at character 9, near \"=\"");
    CHECK(parsed("set a = b c") == "08P01 syntax error at character 11, near \"c\"");
    CHECK(parsed("set a = b,") == "08P01 syntax error at character 11: the command ends there");
    CHECK(parsed("show a = b") == "08P01 syntax error at character 8, near \"=\"");
    CHECK(parsed("show 'a'") == "08P01 syntax error at character 6, near \"'a'\"");
    CHECK(parsed("pause \"a b") == "08P01 quoted name without end at character 7, near \"\"a\"");
    CHECK(parsed("set a = 'b") == "08P01 quoted string without end at character 9, near \"'b\"");
    CHECK(parsed("show /* pools") == "08P01 comment without end at character 6, near \"/*\"");
    CHECK(parsed("pause \"\"") == "08P01 empty name at character 7, near \"\"\"\"");
    CHECK(parsed("show a; ?") == "08P01 syntax error at character 9, near \"?\"");
    CHECK(parsed("a b c d e f g h i j k l m n o p q") ==
          "08P01 syntax error at character 33, near \"q\"");
    CHECK(parsed("(" + std::string(100, 'x')) ==
          "08P01 syntax error at character 1, near \"(" + std::string(19, 'x') + "\"");
}

TEST_CASE("a query has a limit") {
    const std::string blanks(kCommandBytesMax, ' ');
    CHECK(parsed(blanks) == "");
    CHECK(parsed(blanks + " ") == "54000 command is longer than 65536 bytes");
}

TEST_CASE("words remember their places and commands their text") {
    const auto commands = parse_commands("  pause app ; show  pools;");
    REQUIRE(commands.has_value());
    CHECK(commands->at(0).text == "pause app");
    CHECK(commands->at(1).text == "show  pools");
    CHECK(commands->at(1).words[0].at == 15);
    CHECK(commands->at(1).words[1].at == 21);
}

TEST_CASE("any text is parsed or refused") {
    std::mt19937 random(17);
    constexpr std::string_view kPieces = "show set to = ; , ' \" -- /* */ a-b \n \xC3\xBC \xff ( )";
    for (int i = 0; i < 50000; ++i) {
        std::string text;
        for (size_t length = random() % 30; length > 0; --length) {
            text += random() % 3 == 0 ? kPieces[random() % kPieces.size()]
                                      : "sto= ;'\"-/*"[random() % 11];
        }
        const auto commands = parse_commands(text);
        if (!commands) {
            REQUIRE(commands.error().message.find("at character ") != std::string::npos);
            continue;
        }
        for (const Command& command : *commands) {
            REQUIRE(!command.words.empty());
            REQUIRE(text.find(command.text) != std::string::npos);
        }
    }
}

// "app|u|select 1": what stands before the statement, and the statement.
std::string explained(std::string_view query) {
    const auto commands = parse_commands(query);
    if (!commands) return commands.error().sqlstate + " " + commands.error().message;
    const Command& command = commands->back();
    std::string out;
    for (size_t i = 2; i < command.words.size(); ++i)
        out += command.words[i].text + "|";
    return out + command.sql;
}

TEST_CASE("EXPLAIN ROUTE leaves its statement whole") {
    CHECK(explained("EXPLAIN ROUTE select 1") == "select 1");
    CHECK(explained("explain route\n (select ';' || $$a'b\"$$); -- x\n select 2 ;") ==
          "(select ';' || $$a'b\"$$); -- x\n select 2 ;");
    CHECK(explained("EXPLAIN /* a */ ROUTE /* weir: primary */ select 1") ==
          "/* weir: primary */ select 1");
    CHECK(explained("EXPLAIN ROUTE FOR app select 'open") == "app|select 'open");
    CHECK(explained("EXPLAIN ROUTE for \"my db\" user \"a b\" /* weir: replica */ select 1") ==
          "my db|a b|/* weir: replica */ select 1");
    CHECK(explained("EXPLAIN ROUTE FOR app USER u select user") == "app|u|select user");
    CHECK(explained("EXPLAIN ROUTE FOR app user_id") == "app|user_id");
    CHECK(explained("EXPLAIN ROUTE format") == "format");
    CHECK(explained("EXPLAIN ROUTE") == "");
    CHECK(explained("SHOW pools; EXPLAIN ROUTE select 1; SHOW pools") == "select 1; SHOW pools");
    CHECK(parse_commands("SHOW a; EXPLAIN ROUTE select 1; SHOW b")->size() == 2);
    CHECK(parse_commands("EXPLAIN ROUTE select 1; x")->front().text == "EXPLAIN ROUTE select 1; x");
}

TEST_CASE("EXPLAIN ROUTE names its database and its user by words") {
    CHECK(explained("EXPLAIN ROUTE FOR 'app' select 1") ==
          "08P01 syntax error at character 19, near \"'app'\"");
    CHECK(explained("EXPLAIN ROUTE FOR") ==
          "08P01 syntax error at character 18: the command ends there");
    CHECK(explained("EXPLAIN ROUTE FOR app USER (select 1)").starts_with("08P01 syntax error"));
    // Other commands of that name are as they were.
    CHECK(parsed("EXPLAIN select; SHOW a") == "[EXPLAIN|select][SHOW|a]");
    CHECK(parsed("\"EXPLAIN\" route a; SHOW a") == "[EXPLAIN|route|a][SHOW|a]");
}

}  // namespace
}  // namespace weir::command_parser_test
