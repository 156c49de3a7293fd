// Goal: SHOW's clauses choose, sort and cut rows as their grammar says, and what is wrong is told
// with its place or its name. Method: a small table with every kind of cell; for the way through
// the console, its fixture.
#include "admin/console/show_clauses.h"

#include <doctest/doctest.h>

#include <set>

#include "admin/console/command_parser.h"
#include "console_fixture.h"

namespace weir::show_clauses_test {
namespace {

using console_test::Answer;
using console_test::Fixture;

constexpr ResultColumn kColumns[] = {{"name"},
                                     {"port", ColumnType::Int4},
                                     {"Lag"},
                                     {"since", ColumnType::Time},
                                     {"bytes", ColumnType::Int8}};

CommandOutcome table() {
    CommandOutcome outcome;
    outcome.rows = {
        {"app", 5432, "0.5", "2026-01-02 03:04:05 UTC", 9'007'199'254'740'993},
        {"Blog", 100, "10.25", Cell(), 9'007'199'254'740'992},
        {"app_two", 20, "unknown", "2026-01-01 00:00:00 UTC", -5},
        {Cell(), Cell(), Cell(), Cell(), Cell()},
    };
    return outcome;
}

// The names of the rows that are left, or the error.
std::string chosen(const std::string& clauses) {
    auto commands = parse_commands("SHOW x " + clauses);
    if (!commands) return commands.error().sqlstate + " " + commands.error().message;
    REQUIRE(commands->size() == 1);
    Command& command = commands->front();
    CHECK(command.words.size() == 2);
    if (const Status bound = bind(command.clauses, "X", kColumns); !bound) {
        return bound.error().sqlstate + " " + bound.error().message + " | " + bound.error().detail;
    }
    CommandOutcome outcome = table();
    apply(command.clauses, kColumns, outcome);
    std::string names;
    for (const Cells& row : outcome.rows) {
        names += (names.empty() ? "" : " ") + (row[0].is_null() ? "-" : row[0].text());
    }
    return names;
}

TEST_CASE("WHERE compares numbers by size and texts as texts") {
    CHECK(chosen("") == "app Blog app_two -");
    CHECK(chosen("WHERE port = 100") == "Blog");
    CHECK(chosen("where PORT > 99") == "app Blog");
    CHECK(chosen("WHERE port >= '100'") == "app Blog");
    CHECK(chosen("WHERE port < 100.5") == "Blog app_two");
    CHECK(chosen("WHERE port <= -1") == "");
    CHECK(chosen("WHERE port <> 100") == "app app_two");
    CHECK(chosen("WHERE port != 100") == "app app_two");
    CHECK(chosen("WHERE name = 'app'") == "app");
    CHECK(chosen("WHERE name > 'a'") == "app app_two");
    CHECK(chosen("WHERE since < '2026-01-02'") == "app_two");
    // Numbers beyond what a double holds exactly.
    CHECK(chosen("WHERE bytes = 9007199254740993") == "app");
    CHECK(chosen("WHERE bytes < 9007199254740993") == "Blog app_two");
    // A text column that holds numbers.
    CHECK(chosen("WHERE lag > 1.5") == "Blog");
    CHECK(chosen("WHERE lag < 1.5") == "app");
    CHECK(chosen("WHERE lag = '10.25'") == "Blog");
    CHECK(chosen("WHERE NOT lag < 1.5") == "Blog");
}

TEST_CASE("AND binds before OR, parentheses and NOT as in SQL, NULL is neither true nor false") {
    CHECK(chosen("WHERE name = 'Blog' OR name = 'app' AND port = 1") == "Blog");
    CHECK(chosen("WHERE (name = 'Blog' OR name = 'app') AND port = 5432") == "app");
    CHECK(chosen("WHERE NOT (name = 'Blog' OR name = 'app')") == "app_two");
    CHECK(chosen("WHERE NOT NOT name = 'Blog'") == "Blog");
    CHECK(chosen("WHERE since IS NULL") == "Blog -");
    CHECK(chosen("WHERE since IS NOT NULL AND port > 0") == "app app_two");
    CHECK(chosen("WHERE port = 1 OR NOT port = 1") == "app Blog app_two");
    CHECK(chosen("WHERE port = 1 AND NOT port = 1 OR name IS NULL") == "-");
    CHECK(chosen("WHERE port IN (20, 100, '7')") == "Blog app_two");
    CHECK(chosen("WHERE port NOT IN (20, 100)") == "app");
    CHECK(chosen("WHERE name IN ('app')") == "app");
}

TEST_CASE("patterns") {
    CHECK(chosen("LIKE 'app%'") == "app app_two");
    CHECK(chosen("LIKE '%unk%'") == "app_two");
    CHECK(chosen("LIKE '5432'") == "");  // text columns only
    CHECK(chosen("ILIKE 'b%G'") == "Blog");
    CHECK(chosen("LIKE 'b%G'") == "");
    CHECK(chosen("LIKE 'app%' WHERE port < 100") == "app_two");
    CHECK(chosen("WHERE name LIKE 'app'") == "app");
    CHECK(chosen("WHERE name NOT LIKE 'app%'") == "Blog");
    CHECK(chosen("WHERE name ILIKE 'BLOG'") == "Blog");
    CHECK(chosen("WHERE port LIKE '5%'") == "app");
    CHECK(chosen("WHERE name LIKE 'app\\_t__'") == "app_two");

    CHECK(matches_like("", "", false));
    CHECK(matches_like("", "%%", false));
    CHECK_FALSE(matches_like("", "_", false));
    CHECK(matches_like("aXbXc", "a%b%c", false));
    CHECK(matches_like("mississippi", "%issip%", false));
    CHECK_FALSE(matches_like("mississippi", "%issib%", false));
    CHECK(matches_like("\xC3\xBC", "_", false));  // one character of two bytes
    CHECK_FALSE(matches_like("\xC3\xBC", "__", false));
    CHECK(matches_like("50%", "50\\%", false));
    CHECK_FALSE(matches_like("500", "50\\%", false));
    CHECK(matches_like("a\\b", "a\\\\b", false));
    CHECK(matches_like("a\\", "a\\", false));
}

TEST_CASE("ORDER BY and LIMIT") {
    CHECK(chosen("ORDER BY port") == "app_two Blog app -");
    CHECK(chosen("ORDER BY port DESC") == "- app Blog app_two");
    CHECK(chosen("ORDER BY port ASC LIMIT 2") == "app_two Blog");
    CHECK(chosen("ORDER BY port LIMIT 2 OFFSET 1") == "Blog app");
    CHECK(chosen("LIMIT 0") == "");
    CHECK(chosen("LIMIT 100 OFFSET 99") == "");
    CHECK(chosen("ORDER BY name") == "Blog app app_two -");
    CHECK(chosen("ORDER BY lag") == "app Blog app_two -");  // numbers by size, then texts
    CHECK(chosen("ORDER BY since IS NULL") == "08P01 syntax error at character 23, near \"IS\"");
    CHECK(chosen("WHERE port > 0 ORDER BY name DESC, port LIMIT 2") == "app_two app");
}

TEST_CASE("a row keeps the descriptor that goes along with it") {
    auto commands = parse_commands("SHOW x ORDER BY port LIMIT 2");
    ShowClauses& clauses = commands->front().clauses;
    REQUIRE(bind(clauses, "X", kColumns));
    CommandOutcome outcome = table();
    for (int i = 0; i < 3; ++i)
        outcome.descriptors.push_back(std::make_shared<const Descriptor>(-1));
    const auto of_blog = outcome.descriptors[1];
    apply(clauses, kColumns, outcome);
    REQUIRE(outcome.descriptors.size() == 2);
    CHECK(outcome.rows[1][0].text() == "Blog");
    CHECK(outcome.descriptors[1] == of_blog);
}

TEST_CASE("mistakes are told with their place or their name") {
    CHECK(chosen("WHERE prot = 1") ==
          "42703 column \"prot\" does not exist | SHOW X has name, port, Lag, since, bytes.");
    CHECK(chosen("WHERE NOT (prot = 1)").starts_with("42703"));
    CHECK(chosen("ORDER BY nome").starts_with("42703 column \"nome\""));
    CHECK(chosen("WHERE \"PORT\" = 1").starts_with("42703"));
    CHECK(chosen("WHERE \"port\" = 100") == "Blog");
    CHECK(chosen("WHERE port = 'many'") ==
          "22P02 column \"port\" is a number, and 'many' is none | ");
    CHECK(chosen("WHERE port IN (1, 'x')").starts_with("22P02"));
    CHECK(chosen("WHERE name = app") ==
          "08P01 a value is expected (texts in single quotes) at character 21, near \"app\"");
    CHECK(chosen("WHERE name = inf").starts_with("08P01 a value is expected"));
    CHECK(chosen("LIKE app%") ==
          "08P01 a pattern is expected (texts in single quotes) at character 13, near \"app%\"");
    CHECK(chosen("LIMIT -1") == "08P01 a number of rows is expected at character 14, near \"-1\"");
    CHECK(chosen("LIMIT 99999999999999999999").starts_with("08P01 a number of rows"));
    CHECK(chosen("WHERE") == "08P01 syntax error at character 13: the command ends there");
    CHECK(chosen("WHERE port 1").starts_with("08P01 syntax error at character 19"));
    CHECK(chosen("WHERE (port = 1").starts_with("08P01 syntax error"));
    CHECK(chosen("WHERE port = 1)").starts_with("08P01 syntax error at character 22"));
    CHECK(chosen("LIMIT 1 WHERE port = 1").starts_with("08P01 syntax error at character 16"));
    CHECK(chosen("WHERE " + std::string(kConditionDepthMax, '(') + "port = 1")
              .starts_with("08P01 condition is nested too deeply"));
}

TEST_CASE("no column of any table is a keyword, so that none needs quotes") {
    const std::set<std::string> keywords = {"like", "ilike", "where", "order",  "by",
                                            "asc",  "desc",  "limit", "offset", "and",
                                            "or",   "not",   "in",    "is",     "null"};
    for (const ShowSpec* spec : show_table()) {
        for (const ResultColumn& column : spec->columns)
            CHECK_FALSE(keywords.contains(std::string(column.name)));
    }
}

TEST_CASE("by the console, in both protocols") {
    Fixture f;
    Answer answer = f.run("SHOW CONFIG LIKE 'default_pool_size';");
    CHECK(answer.rows.size() == 1);
    answer =
        f.run("SELECT lists WHERE list IN ('pools', 'users') ORDER BY list DESC; SHOW VERSION;");
    CHECK(answer.tags == std::vector<std::string>{"SHOW", "SHOW"});
    answer = f.run("SHOW LISTS WHERE foo = 1");
    CHECK(answer.error.at('C') == "42703");
    CHECK(answer.error.at('D') == "SHOW LISTS has list, items.");
    answer = f.run("SHOW HELP LIMIT 1");
    CHECK(answer.error.at('M') == "SHOW HELP has no rows to choose from");
    answer = f.run("SHOW LISTS WHERE");
    CHECK(answer.error.at('M') == "invalid command 'SHOW LISTS WHERE', use SHOW HELP;");
    answer = f.run("SHOW client_encoding LIKE 'latin%'");
    CHECK(answer.rows.empty());
    CHECK(answer.tags == std::vector<std::string>{"SHOW"});

    using namespace console_test;
    f.send(parse("s", "SHOW LISTS ORDER BY list LIMIT 3") + describe('S', "s") +
               bind_portal("", "s") + execute() + sync(),
           5, true);
    answer = f.receive(5);
    CHECK(answer.types == "1tT2DDDCZ");
    f.send(parse("", "SHOW LISTS WHERE nope = 1") + sync(), 5, true);
    CHECK(f.receive(5).types == "EZ");
}

}  // namespace
}  // namespace weir::show_clauses_test
