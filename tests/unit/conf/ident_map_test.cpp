// Goal: maps of names allow what PostgreSQL's documentation says, and nothing else. Method: small
// files; who may be whom.
#include "conf/ident_map.h"

#include <doctest/doctest.h>

namespace weir::ident_map_test {
namespace {

struct Read {
    IdentMaps maps;
    std::string errors;
};

Read read(const std::string& text) {
    const AuthFiles files{[&text](const std::string& path) -> Result<std::string> {
                              if (path == "more") return std::string("m extra user\n");
                              return text;
                          },
                          read_directory};
    std::vector<ConfigError> found;
    Read out{read_ident("ident", files, found), {}};
    for (const ConfigError& error : found)
        out.errors += to_string(error) + "\n";
    return out;
}

bool allows(const std::string& line, std::string_view system, std::string_view user) {
    const Read one = read("m " + line + "\n");
    CHECK(one.errors.empty());
    return one.maps.allows("m", system, user);
}

TEST_CASE("names are mapped exactly, line by line, map by map") {
    const Read read_maps = read("# comment\nm ann app\nm ann admin\nm bob app\nother bob admin\n");
    CHECK(read_maps.errors.empty());
    const IdentMaps& maps = read_maps.maps;
    CHECK(maps.allows("m", "ann", "app"));
    CHECK(maps.allows("m", "ann", "admin"));
    CHECK(maps.allows("m", "bob", "app"));
    CHECK_FALSE(maps.allows("m", "bob", "admin"));
    CHECK(maps.allows("other", "bob", "admin"));
    CHECK_FALSE(maps.allows("m", "app", "app"));
    CHECK_FALSE(maps.allows("m", "Ann", "app"));
    CHECK_FALSE(maps.allows("none", "ann", "app"));
    CHECK(maps.has("m"));
    CHECK_FALSE(maps.has("none"));
}

TEST_CASE("all is any user, unless it is quoted") {
    CHECK(allows("ann all", "ann", "whoever"));
    CHECK_FALSE(allows("ann all", "bob", "whoever"));
    CHECK_FALSE(allows("ann \"all\"", "ann", "whoever"));
    CHECK(allows("ann \"all\"", "ann", "all"));
}

TEST_CASE("expressions match names, and \\1 is what their first group matches") {
    CHECK(allows(R"(/^(.*)@example\.com$ \1)", "ann@example.com", "ann"));
    CHECK_FALSE(allows(R"(/^(.*)@example\.com$ \1)", "ann@example.com", "bob"));
    CHECK_FALSE(allows(R"(/^(.*)@example\.com$ \1)", "ann@exampleXcom", "ann"));
    CHECK_FALSE(allows(R"(/^(.*)@example\.com$ \1)", "ann@example.com.evil", "ann"));
    CHECK(allows(R"("/^(.*) of (.*)$" "u_\1")", "ann of sales", "u_ann"));
    CHECK(allows(R"(/^ann guest)", "ann@anywhere", "guest"));
    CHECK_FALSE(allows(R"(/^ann guest)", "joann", "guest"));
    CHECK(allows(R"(/^(x)?ann$ u\1)", "ann", "u"));  // a group that took no part
    CHECK(allows(R"(ann /^guest\d$)", "ann", "guest1"));
    CHECK_FALSE(allows(R"(ann /^guest\d$)", "ann", "guest"));
    // Without an expression in front, \1 is only text; what fills it in is no keyword or
    // expression.
    CHECK(allows(R"(ann \1)", "ann", "\\1"));
    CHECK_FALSE(allows(R"(/^(.*)$ \1)", "all", "ann"));
    CHECK_FALSE(allows(R"(/^(.*)$ \1)", "/.*", "ann"));
}

TEST_CASE("files are included") {
    CHECK(read("include more\n").maps.allows("m", "extra", "user"));
}

TEST_CASE("what is wrong is told with its line and a remedy") {
    struct {
        const char* line;
        const char* error;
    } cases[] = {
        {"m ann", "a line has to be of the form MAP SYSTEM-NAME DATABASE-USER"},
        {"m ann b c", "a line has to be of the form"},
        {"m ann,bob c", "names cannot be lists here"},
        {"m ann +group", "who belongs to \"group\" cannot be asked"},
        {"m /( x", "the regular expression cannot be used"},
        {"m x /(", "the regular expression cannot be used"},
        {R"(m /^x$ \1)", "has none; put parentheses into it"},
        {R"(m /^(x)$ /\1)", "cannot be an expression as well"},
        {"m \"x y", "a quote is not closed"},
    };
    for (const auto& it : cases) {
        CAPTURE(it.line);
        const Read one = read(std::string("m a b\n") + it.line + "\n");
        CHECK(one.errors.starts_with("ident:2: "));
        CHECK(one.errors.find(it.error) != std::string::npos);
    }
    std::string many;
    for (int i = 0; i < 10'001; ++i)
        many += "m a b\n";
    CHECK(read(many).errors.find("more than 10000 lines") != std::string::npos);
}

}  // namespace
}  // namespace weir::ident_map_test
