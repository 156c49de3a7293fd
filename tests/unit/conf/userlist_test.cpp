// Goal: auth_file: who is let in when a file is as it should be, and when it is not.
// Method: small texts; the names and secrets read and the place where reading stopped are compared.
#include "conf/userlist.h"

#include <doctest/doctest.h>

#include "conf/limits.h"

namespace weir::userlist_test {
namespace {

std::string summary(const Userlist& list) {
    std::string text;
    for (const AuthFileUser& user : list.users) {
        text += user.name + ":" + user.secret + "\n";
    }
    return text;
}

TEST_CASE("each line names a user and a secret and may go on with anything") {
    const Userlist list =
        parse_userlist("\"a\" \"1\"\n\"b\"\t\"2\" and more\n  \"c\"\"d\" \"3\"\r\n", "f");
    CHECK(summary(list) == "a:1\nb:2\nc\"d:3\n");
    CHECK_FALSE(list.problem);
}

TEST_CASE("quotes are doubled, backslashes are themselves, empty secrets stay") {
    const Userlist list = parse_userlist("\"a\" \"x\"\"y\\\"\n\"b\" \"\"\n", "f");
    CHECK(summary(list) == "a:x\"y\\\nb:\n");
}

TEST_CASE("comments, empty lines, a byte order mark and a missing last newline are fine") {
    const Userlist list = parse_userlist("\xEF\xBB\xBF; c\n\n  ; c\n \r\n\"a\" \"1\"", "f");
    CHECK(summary(list) == "a:1\n");
    CHECK_FALSE(list.problem);
    CHECK_FALSE(parse_userlist("", "f").problem);
}

TEST_CASE("reading stops at a broken line, which is told with a remedy and without the secret") {
    struct {
        const char* line;
        const char* part;
    } const cases[] = {
        {"# c", "starts with no quote"},      {"u p", "starts with no quote"},
        {"\"u", "name is not closed"},        {"\"u\"", "user \"u\" has no quoted secret"},
        {"\"u\" hidden", "no quoted secret"}, {"\"u\" \"hidden", "no quoted secret"},
        {"\"\" \"hidden\"", "name is empty"}};
    for (const auto& c : cases) {
        CAPTURE(c.line);
        const Userlist list =
            parse_userlist("\"a\" \"1\"\n" + std::string(c.line) + "\n\"z\" \"2\"\n", "f");
        CHECK(summary(list) == "a:1\n");
        REQUIRE(list.problem);
        CHECK(list.problem->file == "f");
        CHECK(list.problem->line == 2);
        CHECK(list.problem->text.find(c.part) != std::string::npos);
        CHECK(list.problem->text.find("; ") != std::string::npos);
        CHECK(list.problem->text.find("hidden") == std::string::npos);
    }
}

TEST_CASE("names and secrets have lengths") {
    const auto problem = [](size_t name, size_t secret) {
        return parse_userlist(
                   '"' + std::string(name, 'n') + "\" \"" + std::string(secret, 's') + '"', "f")
            .problem.has_value();
    };
    CHECK_FALSE(problem(kUserNameBytesMax, kPasswordBytesMax));
    CHECK(problem(kUserNameBytesMax + 1, 1));
    CHECK(problem(1, kPasswordBytesMax + 1));
}

}  // namespace
}  // namespace weir::userlist_test
