// Goal: the address of a Patroni is a scheme, a host and perhaps a port; all else is refused with a
// remedy. Method: samples of both.
#include "conf/patroni_url.h"

#include <doctest/doctest.h>

namespace weir::patroni_url_test {
namespace {

std::string problem(std::string_view text) {
    CAPTURE(text);
    const Result<std::string> url = parse_patroni_url(text);
    REQUIRE_FALSE(url);
    CHECK(url.error().sqlstate == "22023");
    return url.error().message;
}

}  // namespace

TEST_CASE("a Patroni's address is kept, without the slash at its end") {
    for (const char* text : {"", "http://10.0.0.1:8008", "https://pg1.example.com",
                             "http://[fd00::1]:8008", "http://[::ffff:10.0.0.1]", "http://a_b-c:1"})
        CHECK(parse_patroni_url(text).value_or("refused") == text);
    CHECK(parse_patroni_url("http://a:8008/").value_or("refused") == "http://a:8008");
}

TEST_CASE("what is no address of a Patroni is refused") {
    for (const char* text : {"10.0.0.1:8008", "ftp://a", "HTTP://a", "file:///etc/passwd", "/"})
        CHECK(problem(text) ==
              "begins with neither http:// nor https://; give it as in http://10.0.0.1:8008");
    CHECK(problem("http://me:secret@a:8008").starts_with("names a user"));
    for (const char* text : {"http://a:8008/patroni", "http://a?b", "http://a#b", "http://a//"})
        CHECK(problem(text).starts_with("has a path"));
    for (const char* text : {"http://", "http:///", "http://:8008", "http://a b", "http://a\tb",
                             "http://-a", "http://[]:1", "http://[a]b", "http://[fd00::1",
                             "http://a,b", "http://\xc3\xa4", "http://a%41"})
        CHECK(problem(text).find("host") != std::string::npos);
    for (const char* text :
         {"http://a:", "http://a:0", "http://a:65536", "http://a:x", "http://a:1:2",
          "http://fd00::1", "http://a:+1", "http://a: 1", "http://a:-1"})
        CHECK(problem(text).starts_with("its port is no number"));
    CHECK(problem("http://" + std::string(300, 'a')) == "too long; at most 300 bytes");
}

}  // namespace weir::patroni_url_test
