// Goal: the form of rule files: what is a field, what belongs to a line, which files follow.
// Method: files in a map; lines written back with their places, lists by commas, quoted tokens in
// brackets.
#include "conf/auth_lines.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

namespace weir::auth_lines_test {
namespace {

using Files = std::map<std::string, std::string>;

AuthFiles files_of(const Files& files) {
    const auto read = [files](const std::string& path) -> Result<std::string> {
        const auto it = files.find(path);
        if (path == "secret") return fail("58030", "Permission denied");
        if (it == files.end()) return fail("58P01", "No such file or directory");
        return it->second;
    };
    const auto list = [files](const std::string& path) -> Result<std::vector<std::string>> {
        std::vector<std::string> names{".", "..", ".hidden.conf", "other.txt"};
        for (const auto& [name, text] : files) {
            if (name.starts_with(path + "/")) names.push_back(name.substr(path.size() + 1));
        }
        if (names.size() == 4) return fail("58P01", "No such file or directory");
        std::swap(names.front(), names.back());  // not in order
        return names;
    };
    return {read, list};
}

std::string lines(const Files& files, std::string* errors = nullptr) {
    std::vector<ConfigError> found;
    std::string out;
    for (const AuthLine& line : read_auth_lines("f", files_of(files), 1, 3, found)) {
        out += line.at.file + ":" + std::to_string(line.at.line) + " ";
        for (const AuthField& field : line.fields) {
            std::string text;
            for (const AuthToken& token : field) {
                text += text.empty() ? "" : ",";
                text += token.is_quoted ? "[" + token.text + "]" : token.text;
            }
            out += text + "|";
        }
        out += "\n";
    }
    std::string told;
    for (const ConfigError& error : found)
        told += to_string(error) + "\n";
    if (errors != nullptr) *errors = told;
    if (errors == nullptr) CHECK(told.empty());
    return out;
}

std::string errors_of(const Files& files) {
    std::string errors;
    lines(files, &errors);
    return errors;
}

TEST_CASE("a comma joins, with blanks behind it or not") {
    CHECK(lines({{"f", "h a,b, c d\n# x\n\n e#f\n"}}) == "f:1 h|a,b,c|d|\nf:4 e|\n");
}

TEST_CASE("quotes keep blanks, commas and #, and a doubled one is one") {
    CHECK(lines({{"f", R"(h "a b","c,""d""#" x"y z"w "" )"}}) ==
          "f:1 h|[a b],[c,\"d\"#]|xy zw|[]|\n");
}

TEST_CASE("a backslash at the end joins the next line, which keeps the first one's number") {
    CHECK(lines({{"f", "a \\\nb\\\nc\nd\n# no \\\nline\ne\\"}}) == "f:1 a|bc|\nf:4 d|\nf:7 e\\|\n");
}

TEST_CASE("a byte order mark, CRLF and a missing last newline are fine") {
    CHECK(lines({{"f",
                  "\xEF\xBB\xBF"
                  "a b\r\nc\r\n\r\nd"}}) == "f:1 a|b|\nf:2 c|\nf:4 d|\n");
    CHECK(lines({{"f", ""}}) == "");
}

TEST_CASE("@FILE is its names, in the fields that may have it, one in another, relative to it") {
    const Files files{{"f", "@x d/@n,b,@d/one \"@y\" @z\n"},
                      {"d/one", "# names\n a b,c\n\n\"q r\",@two\n"},
                      {"d/two", "e\n"}};
    CHECK(lines(files) == "f:1 @x|d/@n,b,a,b,c,[q r],e|[@y]|@z|\n");
}

TEST_CASE("an empty @FILE is nobody") {
    CHECK(lines({{"f", "h @none x\n"}, {"none", "# nobody\n"}}) == "f:1 h||x|\n");
}

TEST_CASE("include, include_if_exists and include_dir take other files in") {
    const Files files{{"f", "a\ninclude d/x\ninclude_if_exists nothere\ninclude_dir d\nz\n"},
                      {"d/x", "b\ninclude y.conf\n"},
                      {"d/y.conf", "c\n"},
                      {"d/w.conf", "\n\nd\n"}};
    CHECK(lines(files) ==
          "f:1 a|\nd/x:1 b|\nd/y.conf:1 c|\nd/w.conf:3 d|\nd/y.conf:1 c|\nf:5 z|\n");
    CHECK(lines({{"f", "\"include\" x\n"}}) == "f:1 [include]|x|\n");
}

TEST_CASE("what is wrong is told with its place and the remedy, and its line is not there") {
    struct {
        const char* text;
        const char* error;
    } cases[] = {
        {"a \"b\nc\n", "f:1: a quote is not closed; write one more \" behind the name\n"},
        {"a b,\n", "f:1: a name is missing at a comma; write one, or remove the comma\n"},
        {"a b ,c\n", "f:1: a name is missing at a comma; write one, or remove the comma\n"},
        {"a b,,c\n", "f:1: a name is missing at a comma; write one, or remove the comma\n"},
        {"include\n",
         "f:1: include takes one file; put a name with blanks or commas into quotes\n"},
        {"include \"\"\n",
         "f:1: include takes one file; put a name with blanks or commas into quotes\n"},
        {"include a b\n",
         "f:1: include takes one file; put a name with blanks or commas into quotes\n"},
        {"\n\ninclude_dir a,b\n",
         "f:3: include_dir takes one directory; put a name with blanks or commas into quotes\n"},
        {"include nothere\n",
         "f:1: cannot read \"nothere\": No such file or directory; create it, or correct the "
         "path\n"},
        {"include_if_exists secret\n",
         "f:1: cannot read \"secret\": Permission denied; create it, or correct the path\n"},
        {"include_dir nodir\n",
         "f:1: cannot read \"nodir\": No such file or directory; create it, or correct the path\n"},
        {"h @nothere\n",
         "f:1: cannot read \"nothere\": No such file or directory; create it, or correct the "
         "path\n"},
        {"h @bad\n", "bad:2: a quote is not closed; write one more \" behind the name\n"},
    };
    for (const auto& it : cases) {
        std::string errors;
        const std::string good = lines({{"f", it.text}, {"bad", "x\n\"y\n"}}, &errors);
        CHECK(errors == it.error);
        CHECK(good == (it.text == std::string_view("a \"b\nc\n") ? "f:2 c|\n" : ""));
    }
    CHECK(errors_of({{"f", std::string("a\0b\n", 4)}}) ==
          "f:1: the line holds a NUL byte; save the file as plain text\n");
    CHECK(errors_of({}) ==
          "f: cannot read \"f\": No such file or directory; create it, or correct the path\n");
}

TEST_CASE("files that include themselves come to an end") {
    CHECK(errors_of({{"f", "include f\n"}}).find("does one include itself?") != std::string::npos);
    CHECK(errors_of({{"f", "h @f\n"}}).find("does one include itself?") != std::string::npos);
    const std::string wide = errors_of({{"f", "include f\ninclude f\n"}});
    CHECK(wide.find("does one include itself?") != std::string::npos);
    CHECK(errors_of({{"f", "h @g\n"}, {"g", "@g @g"}}).find("itself") != std::string::npos);
}

TEST_CASE("directories are read from the disk") {
    const auto names = read_directory(std::string(WEIR_SOURCE_DIR) + "/conf");
    REQUIRE(names);
    CHECK(std::find(names->begin(), names->end(), "weir.ini") != names->end());
    CHECK(read_directory("/no/such/directory").error().sqlstate == "58P01");
}

}  // namespace
}  // namespace weir::auth_lines_test
