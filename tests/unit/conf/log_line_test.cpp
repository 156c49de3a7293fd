// Goal: how a line reads, in both formats: prefixes, escapes, JSON that is JSON whatever a peer
// sends. Method: render lines and compare; parse the JSON with a library.
#include "conf/log_line.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "conf/limits.h"

namespace weir::log_line_test {
namespace {

LogPeer client() {
    LogPeer out;
    out.id = 0x1f;
    out.database = "app";
    out.user = "joe";
    out.host = "127.0.0.1";
    out.port = 5000;
    return out;
}

std::string text_of(const LogLine& line) {
    std::string out;
    append_log_text(out, line);
    return out;
}

nlohmann::json json_of(const LogLine& line) {
    std::string out;
    append_log_json(out, line, 42);
    CHECK(out.find('\n') == std::string::npos);
    return nlohmann::json::parse(out);
}

TEST_CASE("a prefix names the connection as PgBouncer does") {
    LogPeer peer = client();
    CHECK(peer.prefix() == "C-0x1f: app/joe@127.0.0.1:5000 ");
    peer.host = "::1";
    CHECK(peer.prefix() == "C-0x1f: app/joe@[::1]:5000 ");
    peer.database.clear();
    peer.user.clear();
    CHECK(peer.prefix() == "C-0x1f: (nodb)/(nouser)@[::1]:5000 ");
    peer.is_unix = true;
    peer.pid = 77;
    peer.port = 6432;
    CHECK(peer.prefix() == "C-0x1f: (nodb)/(nouser)@unix(77):6432 ");
    peer.peer_id = 3;
    CHECK(peer.prefix() == "C-0x1f: peer-3@unix(77):6432 ");
    LogPeer server = client();
    server.side = LogPeer::Side::Server;
    CHECK(server.prefix() == "S-0x1f: app/joe@127.0.0.1:5000 ");
    server.is_unix = true;
    CHECK(server.prefix() == "S-0x1f: app/joe@unix:5000 ");
}

TEST_CASE("what a peer sends cannot leave its line") {
    LogPeer peer = client();
    peer.user = "a\nb\x1b[1m";
    const std::string text = text_of({LogLevel::Log, 0, "x\ry\n", peer});
    CHECK(text == "C-0x1f: app/a\\nb\\x1b[1m@127.0.0.1:5000 x\\x0dy\\n");
}

TEST_CASE("JSON keeps the connection's fields apart from the message") {
    const nlohmann::json line =
        json_of({LogLevel::Warning, 1'700'000'000'123, "pooler error: \"x\"", client()});
    CHECK(line["time"] == "2023-11-14T22:13:20.123Z");
    CHECK(line["level"] == "WARNING");
    CHECK(line["pid"] == 42);
    CHECK(line["client"] == "0x1f");
    CHECK(line["database"] == "app");
    CHECK(line["user"] == "joe");
    CHECK(line["host"] == "127.0.0.1");
    CHECK(line["port"] == 5000);
    CHECK(line["message"] == "pooler error: \"x\"");
    CHECK_FALSE(line.contains("server"));
}

TEST_CASE("JSON leaves out what is not known") {
    LogPeer peer = client();
    peer.side = LogPeer::Side::Server;
    peer.user.clear();
    peer.is_unix = true;
    const nlohmann::json line = json_of({LogLevel::Log, 0, "m", peer});
    CHECK(line["server"] == "0x1f");
    CHECK_FALSE(line.contains("user"));
    CHECK(line["host"] == "unix");
    const nlohmann::json bare = json_of({LogLevel::Log, 0, "m", std::nullopt});
    CHECK(bare.size() == 4);  // time, level, pid, message
}

TEST_CASE("JSON is JSON whatever bytes come") {
    std::string all;
    for (int c = 0; c < 256; ++c)
        all += static_cast<char>(c);
    const nlohmann::json line = json_of({LogLevel::Log, 0, all, std::nullopt});
    CHECK(line["message"].get<std::string>().starts_with(std::string("\0\x01\x02", 3)));
    const auto message = [](std::string text) {
        return json_of({LogLevel::Log, 0, std::move(text), std::nullopt})["message"]
            .get<std::string>();
    };
    CHECK(message("gr\xc3\xbc\xc3\x9f") == "gr\xc3\xbc\xc3\x9f");
    CHECK(message("\xf0\x9f\x98\x80") == "\xf0\x9f\x98\x80");
    const std::string unknown = "\xef\xbf\xbd";
    CHECK(message("\xff") == unknown);
    CHECK(message("\xc3") == unknown);                                            // cut short
    CHECK(message("\xed\xa0\x80") == unknown + unknown + unknown);                // a surrogate
    CHECK(message("\xc0\xaf") == unknown + unknown);                              // overlong
    CHECK(message("\xf4\x90\x80\x80") == unknown + unknown + unknown + unknown);  // beyond Unicode
}

TEST_CASE("an endless line is cut in either format") {
    const LogLine line{LogLevel::Log, 0, std::string(kLogLineBytesMax + 10, 'x'), std::nullopt};
    CHECK(text_of(line).size() == kLogLineBytesMax + 3);
    CHECK(json_of(line)["message"].get<std::string>().size() == kLogLineBytesMax + 3);
}

}  // namespace
}  // namespace weir::log_line_test
