// Goal: the INI dialect of pgbouncer.ini, rule by rule, and every syntax error with its place.
// Method: parse small texts, write the events down as lines, compare the whole; includes come from
// a map.
#include "conf/ini.h"

#include <doctest/doctest.h>

#include <map>

#include "conf/limits.h"

namespace weir::ini_test {
namespace {

struct Parsed {
    std::string events;  // "[section]" and "key=value" lines with "@file:line"
    std::vector<ConfigError> errors;
};

Parsed parse(const std::string& text, const std::map<std::string, std::string>& files = {}) {
    Parsed out;
    const FileReader reader = [&files](const std::string& path) -> Result<std::string> {
        const auto it = files.find(path);
        if (it == files.end()) return fail("58P01", "No such file or directory");
        return it->second;
    };
    const auto place = [](const IniPlace& at) {
        return "@" + at.file + ":" + std::to_string(at.line) + "\n";
    };
    const IniEvents events{[&](std::string_view name, const IniPlace& at) {
                               out.events += "[" + std::string(name) + "]" + place(at);
                           },
                           [&](std::string_view key, std::string_view value, const IniPlace& at) {
                               out.events +=
                                   std::string(key) + "=" + std::string(value) + place(at);
                           }};
    parse_ini_text(text, "f", reader, events, out.errors);
    return out;
}

void check_error(const std::string& text, const std::string& part) {
    CAPTURE(text);
    const Parsed parsed = parse(text);
    CHECK(parsed.events.empty());
    REQUIRE(parsed.errors.size() == 1);
    CHECK(parsed.errors[0].line == 1);
    CHECK(parsed.errors[0].message.find(part) != std::string::npos);
    CHECK(parsed.errors[0].message.find(';') != std::string::npos);  // "message; remedy"
}

TEST_CASE("sections and settings are told in order with their lines") {
    const Parsed parsed = parse("[a]\nk = v\n\n[b]\nk=v\n");
    CHECK(parsed.events == "[a]@f:1\nk=v@f:2\n[b]@f:4\nk=v@f:5\n");
    CHECK(parsed.errors.empty());
}

TEST_CASE("comments stand at line start only") {
    const Parsed parsed = parse("; c\n# c\n  ; c\n\t# c\nk = v ; not # a comment\n");
    CHECK(parsed.events == "k=v ; not # a comment@f:5\n");
    CHECK(parsed.errors.empty());
}

TEST_CASE("blanks before a line and after a value are cut, those inside stay") {
    CHECK(parse("  \t k \t=\t  a  b \t \n").events == "k=a  b@f:1\n");
    CHECK(parse("  [s]\n").events == "[s]@f:1\n");
}

TEST_CASE("a value may be empty and may hold quotes and equal signs") {
    CHECK(parse("k =\n").events == "k=@f:1\n");
    CHECK(parse("k = \"a\" = 'b'\n").events == "k=\"a\" = 'b'@f:1\n");
}

TEST_CASE("plain names are letters, digits, underscore, point, star and hyphen") {
    CHECK(parse("aZ09_.*-=v").events == "aZ09_.*-=v@f:1\n");
    check_error("a b = v", "syntax error");
    check_error("a:b = v", "syntax error");
    check_error("caf\xc3\xa9 = v", "is quoted");
}

TEST_CASE("names in single quotes hold anything and know no escape") {
    CHECK(parse("'my db=\"x\"' = v").events == "my db=\"x\"=v@f:1\n");
    check_error("'a''b' = v", "syntax error");
    check_error("'a = v", "not closed");
}

TEST_CASE("names in double quotes hold anything and double the quote") {
    CHECK(parse("\"my-db\" = v").events == "my-db=v@f:1\n");
    CHECK(parse("\"a\"\"b'c\"=v").events == "a\"b'c=v@f:1\n");
    check_error("\"a = v", "not closed");
    check_error("\"a\"\" = v", "not closed");
}

TEST_CASE("lines without shape are refused") {
    check_error("[section", "not closed");
    check_error("key", "syntax error");
    check_error("key value", "syntax error");
    check_error("= value", "nothing stands before");
    check_error("'' = value", "nothing stands before");
    check_error("%", "unknown directive");
    check_error("%inc x", "unknown directive");
    check_error("%includex", "unknown directive");
    check_error("%include", "names no file");
    check_error(std::string("k = a\0b", 7), "NUL");
}

TEST_CASE("what follows a section's bracket is ignored, blanks inside belong to the name") {
    CHECK(parse("[a] ; c\n[ b ]\n").events == "[a]@f:1\n[ b ]@f:2\n");
}

TEST_CASE("line ends of Windows, a byte order mark and a last line without end are accepted") {
    const Parsed parsed = parse("\xEF\xBB\xBF[a]\r\nk = v\r\nl = w");
    CHECK(parsed.events == "[a]@f:1\nk=v@f:2\nl=w@f:3\n");
    CHECK(parsed.errors.empty());
    CHECK(parse("").events.empty());
    CHECK(parse("\xEF\xBB\xBF").events.empty());
}

TEST_CASE("every error of a text is collected and the good lines still count") {
    const Parsed parsed = parse("[a\nk = v\nbad\n= x\nl = w\n");
    CHECK(parsed.events == "k=v@f:2\nl=w@f:5\n");
    REQUIRE(parsed.errors.size() == 3);
    CHECK(parsed.errors[0].line == 1);
    CHECK(parsed.errors[1].line == 3);
    CHECK(parsed.errors[2].line == 4);
}

TEST_CASE("an included file stands in place of its line") {
    const Parsed parsed =
        parse("[a]\n%include other.ini\nafter = 1\n", {{"other.ini", "in = 1\n[b]\nin = 2\n"}});
    CHECK(parsed.events ==
          "[a]@f:1\nin=1@other.ini:1\n[b]@other.ini:2\nin=2@other.ini:3\nafter=1@f:3\n");
    CHECK(parsed.errors.empty());
}

TEST_CASE("a file name to include runs to the end of the line and is not unquoted") {
    CHECK(parse(" %include \t a b.ini \r\n", {{"a b.ini", "k=v"}}).events == "k=v@a b.ini:1\n");
    const Parsed parsed = parse("%include 'x'", {{"x", "k=v"}});
    REQUIRE(parsed.errors.size() == 1);
    CHECK(to_string(parsed.errors[0]) ==
          "f:1: cannot include \"'x'\": No such file or directory; paths are relative to the "
          "working directory");
}

TEST_CASE("includes nest ten deep and not eleven") {
    std::map<std::string, std::string> files;
    for (int i = 1; i < 10; ++i) {
        files["i" + std::to_string(i)] = "%include i" + std::to_string(i + 1) + "\n";
    }
    files["i10"] = "k = v\n";
    CHECK(parse("%include i1", files).events == "k=v@i10:1\n");
    files["i10"] = "%include i11\n";
    files["i11"] = "k = v\n";
    const Parsed parsed = parse("%include i1\nrest = 1\n", files);
    CHECK(parsed.events == "rest=1@f:2\n");
    REQUIRE(parsed.errors.size() == 1);
    CHECK(parsed.errors[0].file == "i10");
    CHECK(parsed.errors[0].message.find("nested deeper than 10") != std::string::npos);
}

TEST_CASE("a file that includes itself many times ends at a bound") {
    const Parsed parsed = parse("%include loop", {{"loop", "%include loop\n%include loop\n"}});
    CHECK(parsed.errors.size() <= kConfigErrorsMax + 1);
    CHECK_FALSE(parsed.errors.empty());
}

TEST_CASE("errors are kept up to a bound and the last one says so") {
    std::string text;
    for (size_t i = 0; i < kConfigErrorsMax + 50; ++i) {
        text += "bad\n";
    }
    const Parsed parsed = parse(text);
    REQUIRE(parsed.errors.size() == kConfigErrorsMax + 1);
    CHECK(parsed.errors.back().message.find("too many errors") == 0);
}

TEST_CASE("an error prints as file, line and message") {
    CHECK(to_string(ConfigError{"a.ini", 3, "bad"}) == "a.ini:3: bad");
    CHECK(to_string(ConfigError{"a.ini", 0, "bad"}) == "a.ini: bad");
}

TEST_CASE("reading a file that is missing or a directory is refused in words") {
    CHECK(read_file("/nonexistent/x").error().message == "No such file or directory");
    CHECK(read_file("/tmp").error().message == "is a directory");
    CHECK(read_file("/dev/null").value().empty());
    CHECK(read_file("/dev/zero").error().message.find("larger than") != std::string::npos);
}

}  // namespace
}  // namespace weir::ini_test
