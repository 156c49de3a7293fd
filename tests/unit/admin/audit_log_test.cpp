// Goal: whoever changes, deletes, inserts or swaps a line of a hash-chained log is found out;
// rotation, restarts, truncation, a full disk and several processes are told apart from that.
// Method: real files; what a process writes is read back and verified, whole and damaged.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "admin/audit/access_log.h"
#include "admin/audit/audit_trail.h"
#include "admin/audit/verify_log.h"
#include "console_fixture.h"

namespace weir::audit_log_test {
namespace {

using console_test::Fixture;

struct Folder {
    Folder() { REQUIRE(mkdtemp(path) != nullptr); }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] std::string file(const std::string& name) const {
        return std::string(path) + "/" + name;
    }
    char path[32] = "/tmp/weir-audit-XXXXXX";
};

std::vector<std::string> lines_of(const std::string& path) {
    std::ifstream file(path);
    std::vector<std::string> out;
    for (std::string line; std::getline(file, line);)
        out.push_back(line);
    return out;
}

std::string joined(const std::vector<std::string>& lines) {
    std::string out;
    for (const std::string& line : lines)
        out += line + "\n";
    return out;
}

// What is wrong with the files' contents; empty = nothing.
std::string problem(const std::vector<std::string>& files,
                    std::vector<std::string>* notes = nullptr) {
    LogVerifier verifier;
    for (size_t i = 0; i < files.size(); ++i) {
        std::istringstream text(files[i]);
        if (!verifier.read("f" + std::to_string(i + 1), text)) return verifier.problem();
    }
    if (notes != nullptr) *notes = verifier.notes();
    return "";
}

std::string problem(const std::string& text) {
    return problem(std::vector<std::string>{text});
}

// The events of a file's lines, in their order.
std::string events(const std::string& path) {
    std::string out;
    for (const std::string& line : lines_of(path)) {
        const auto parsed = parse_chained_line(line);
        REQUIRE(parsed);
        CHECK(parsed->is_hash_right);
        out += (out.empty() ? "" : ", ") + std::string(parsed->event);
    }
    return out;
}

std::string read_text(const std::string& path) {
    return joined(lines_of(path));
}

// Opened, three lines, closed.
std::vector<std::string> sample() {
    HashChain chain("1-2");
    std::vector<std::string> out = {chain.link("\"event\":\"log opened\",\"pid\":1")};
    for (const char* fields :
         {"\"event\":\"login\",\"user\":\"a\"", "\"event\":\"login\",\"user\":\"b\"",
          "\"event\":\"disconnect\",\"user\":\"a\""})
        out.push_back(chain.link(fields));
    out.push_back(chain.link("\"event\":\"log closed\""));
    return out;
}

TEST_CASE("a line says its place, the hash before it and its own") {
    HashChain chain("4711-99");
    const std::string first = chain.link("\"event\":\"x\"");
    CHECK(first.starts_with("{\"seq\":1,\"chain\":\"4711-99\",\"prev\":\"" + HashChain::zeros() +
                            "\",\"event\":\"x\",\"hash\":\""));
    const auto parsed = parse_chained_line(first);
    REQUIRE(parsed);
    CHECK(parsed->seq == 1);
    CHECK(parsed->chain == "4711-99");
    CHECK(parsed->event == "x");
    CHECK(parsed->is_hash_right);
    CHECK(parsed->hash == chain.hash());
    const std::string second = chain.link("\"event\":\"y\"");
    CHECK(parse_chained_line(second)->prev == parsed->hash);
    CHECK(parse_chained_line(second)->seq == 2);
    for (const std::string& other :
         {std::string(), std::string("{}"), first + " ", first.substr(1), first.substr(0, 150),
          std::string("{\"seq\":0") + first.substr(9)}) {
        CAPTURE(other);
        CHECK_FALSE(parse_chained_line(other));
    }
}

TEST_CASE("a whole log is good") {
    std::vector<std::string> notes;
    CHECK(problem({joined(sample())}, &notes).empty());
    CHECK(notes.empty());
}

TEST_CASE("a changed byte anywhere is found") {
    const std::vector<std::string> good = sample();
    for (size_t i = 0; i < good.size(); ++i) {
        for (size_t at = 0; at < good[i].size(); ++at) {
            std::vector<std::string> changed = good;
            changed[i][at] = changed[i][at] == 'z' ? 'y' : 'z';
            CAPTURE(changed[i]);
            CHECK(problem(joined(changed)).starts_with("f1:" + std::to_string(i + 1) + ": "));
        }
    }
}

TEST_CASE("deleted, inserted, swapped and doubled lines are found") {
    const std::vector<std::string> good = sample();
    for (size_t i = 0; i + 1 < good.size(); ++i) {
        std::vector<std::string> deleted = good;
        deleted.erase(deleted.begin() + static_cast<std::ptrdiff_t>(i));
        CHECK(problem(joined(deleted)).find("lines are missing before it") != std::string::npos);
        std::vector<std::string> swapped = good;
        std::swap(swapped[i], swapped[i + 1]);
        CHECK_FALSE(problem(joined(swapped)).empty());
    }
    for (size_t i = 0; i <= good.size(); ++i) {
        // A line that somebody has made who knows the form and the last hash.
        std::vector<std::string> inserted = good;
        HashChain forger("1-2");
        if (i > 0) forger.set_previous(std::string(parse_chained_line(good[i - 1])->hash));
        inserted.insert(inserted.begin() + static_cast<std::ptrdiff_t>(i),
                        forger.link("\"event\":\"x\""));
        CHECK_FALSE(problem(joined(inserted)).empty());
        std::vector<std::string> garbage = good;
        garbage.insert(garbage.begin() + static_cast<std::ptrdiff_t>(i), "hello");
        CHECK(problem(joined(garbage)) ==
              "f1:" + std::to_string(i + 1) + ": is no line of such a log");
        if (i == good.size()) continue;
        std::vector<std::string> doubled = good;
        doubled.insert(doubled.begin() + static_cast<std::ptrdiff_t>(i), good[i]);
        CHECK_FALSE(problem(joined(doubled)).empty());
    }
    // The last line cannot be missed for certain, but is noted.
    std::vector<std::string> cut(good.begin(), good.end() - 1);
    std::vector<std::string> notes;
    CHECK(problem({joined(cut)}, &notes).empty());
    REQUIRE(notes.size() == 1);
    CHECK(notes[0].find("has no end") != std::string::npos);
    std::string torn = joined(good);
    torn.pop_back();
    CHECK(problem(torn) == "f1:5: is not whole");
}

TEST_CASE("a restart goes on where the file ends") {
    const Folder folder;
    const std::string path = folder.file("log");
    for (int i = 0; i < 3; ++i) {
        ChainedLog log("access_log");
        REQUIRE(log.open(path));
        log.push("\"event\":\"login\"");
    }
    CHECK(events(path) ==
          "log opened, login, log closed, log opened, login, log closed, log opened, login, log "
          "closed");
    std::vector<std::string> notes;
    CHECK(problem({read_text(path)}, &notes).empty());
    CHECK(notes.empty());
    // A whole run that is cut out is missed by the next one.
    std::vector<std::string> lines = lines_of(path);
    lines.erase(lines.begin() + 3, lines.begin() + 6);
    CHECK(problem(joined(lines)) == "f1:4: the line that its chain follows is missing");
}

TEST_CASE("rotation: the new file follows the old one") {
    const Folder folder;
    const std::string path = folder.file("log");
    const std::string old = folder.file("log.1");
    {
        ChainedLog log("access_log");
        REQUIRE(log.open(path));
        log.push("\"event\":\"login\"");
        log.drain();
        REQUIRE(log.open(path));  // nothing was moved
        log.drain();
        CHECK(events(path) == "log opened, login");
        REQUIRE(std::rename(path.c_str(), old.c_str()) == 0);
        log.push("\"event\":\"login\"");  // still goes to the old one
        log.drain();
        REQUIRE(log.open(path));
        log.push("\"event\":\"disconnect\"");
    }
    CHECK(events(old) == "log opened, login, login");
    CHECK(events(path) == "log continued, disconnect, log closed");
    std::vector<std::string> notes;
    CHECK(problem({read_text(old), read_text(path)}, &notes).empty());
    CHECK(notes.empty());
    CHECK(problem({read_text(path)}, &notes).empty());
    REQUIRE(notes.size() == 1);
    CHECK(notes[0].find("its beginning is not in these files") != std::string::npos);
    // In the wrong order, or with the end of the old file cut off.
    CHECK_FALSE(problem({read_text(path), read_text(old)}).empty());
    std::vector<std::string> cut = lines_of(old);
    cut.pop_back();
    CHECK(problem({joined(cut), read_text(path)}) ==
          "f2:1: 1 lines are missing before it: line 4 of its chain follows 2");
    // The beginning of a file is not for anybody to cut off, either.
    std::vector<std::string> headless = lines_of(path);
    headless.erase(headless.begin());
    CHECK(problem(joined(headless)) ==
          "f1:1: lines are missing before it: it is line 5 of its chain");
}

TEST_CASE("copytruncate is noticed and told") {
    const Folder folder;
    const std::string path = folder.file("log");
    std::string copy;
    {
        ChainedLog log("access_log");
        REQUIRE(log.open(path));
        log.push("\"event\":\"login\"");
        log.drain();
        copy = read_text(path);
        REQUIRE(truncate(path.c_str(), 0) == 0);
        log.push("\"event\":\"disconnect\"");
    }
    CHECK(events(path) == "log truncated, disconnect, log closed");
    CHECK(problem({copy, read_text(path)}).empty());
}

TEST_CASE("two processes on one file have a chain each") {
    const Folder folder;
    const std::string path = folder.file("log");
    {
        ChainedLog one("access_log");
        REQUIRE(one.open(path));
        one.drain();
        ChainedLog two("access_log");
        REQUIRE(two.open(path));
        for (int i = 0; i < 50; ++i) {
            one.push("\"event\":\"login\"");
            two.push("\"event\":\"login\"");
            if (i % 7 == 0) one.drain();
        }
    }
    LogVerifier verifier;
    std::ifstream file(path);
    CHECK(verifier.read("f", file));
    CHECK(verifier.problem().empty());
    CHECK(verifier.chains() == 2);
    CHECK(verifier.lines() == 104);
    std::vector<std::string> lines = lines_of(path);
    lines.erase(lines.begin() + 20);
    CHECK_FALSE(problem(joined(lines)).empty());
}

TEST_CASE("a file that may not grow loses lines, says how many, and has no gap") {
    const Folder folder;
    const std::string path = folder.file("log");
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    uint64_t lost = 0;
    {
        ChainedLog log("access_log");
        REQUIRE(log.open(path));
        log.drain();
        rlimit small = before;
        small.rlim_cur = 2000;
        REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
        for (int i = 0; i < 20; ++i) {
            log.push("\"event\":\"login\"");
            log.drain();
        }
        lost = log.lost();
        REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
        log.push("\"event\":\"disconnect\"");
    }
    CHECK(lost > 0);
    CHECK(lost < 20);
    const std::string text = read_text(path);
    CHECK(text.find("\"event\":\"lines lost\"") != std::string::npos);
    CHECK(text.find("\"count\":" + std::to_string(lost)) != std::string::npos);
    CHECK(problem(text).empty());
}

TEST_CASE("what cannot be opened is an error, and the log goes on as before") {
    const Folder folder;
    ChainedLog log("audit_log");
    CHECK_FALSE(log.is_on());
    REQUIRE(log.open(""));
    CHECK(log.open("/nonexistent/x").error().message ==
          "audit_log: cannot open \"/nonexistent/x\": No such file or directory");
    CHECK(log.open("/dev/null").error().message == "audit_log: \"/dev/null\" is no regular file");
    CHECK_FALSE(log.is_on());
    REQUIRE(log.open(folder.file("log")));
    CHECK_FALSE(log.open("/nonexistent/x"));
    CHECK(log.is_on());
    log.push("\"event\":\"login\"");
    log.drain();
    CHECK(events(folder.file("log")) == "log opened, login");
    REQUIRE(log.open(""));
    log.drain();
    CHECK_FALSE(log.is_on());
    CHECK(events(folder.file("log")) == "log opened, login, log closed");
}

TEST_CASE("a torn last line is left where it is and the next one begins anew") {
    const Folder folder;
    const std::string path = folder.file("log");
    std::ofstream(path) << joined(sample()) << "{\"seq\":6,\"cha";
    {
        ChainedLog log("access_log");
        REQUIRE(log.open(path));
    }
    CHECK(lines_of(path).size() == 8);
    const std::vector<std::string> good = sample();
    const std::string opened = lines_of(path)[6];
    CHECK(parse_chained_line(opened)->prev == parse_chained_line(good.back())->hash);
    CHECK(problem(read_text(path)) == "f1:6: is no line of such a log");
}

TEST_CASE("the access log tells who, from where, how, how much and why it ended") {
    const Folder folder;
    const std::string path = folder.file("access");
    {
        AccessLog log;
        CHECK_FALSE(log.is_on());
        REQUIRE(log.open(path));
        AccessRecord record;
        record.client_id = 31;
        record.user = "ev\"il\n";
        record.database = "app";
        record.address = "10.0.0.9";
        record.port = 4000;
        record.method = "md5";
        record.tls = "TLSv1.3/x";
        record.certificate = "joe";
        record.connected_us = record.logged_in_us = 1'769'860'800'123'000;
        record.now_us = record.connected_us + 61'000'000;
        record.tally = {3, 4, 500, 600};
        log.note(record);
        record.event = AccessRecord::Event::Disconnect;
        record.reason = "client close request";
        log.note(record);
        record.event = AccessRecord::Event::Refused;
        record.logged_in_us = 0;
        record.reason = "password authentication failed";
        record.sqlstate = "28P01";
        log.note(record);
    }
    CHECK(events(path) == "log opened, login, disconnect, refused, log closed");
    const std::vector<std::string> lines = lines_of(path);
    const auto has = [&lines](size_t line, std::string_view text) {
        CAPTURE(lines[line]);
        CHECK(lines[line].find(text) != std::string::npos);
    };
    has(1,
        "\"client\":\"0x1f\",\"user\":\"ev\\\"il\\u000a\",\"database\":\"app\",\"host\":\"10.0.0."
        "9\","
        "\"port\":4000");
    has(1,
        "\"method\":\"md5\",\"tls\":\"TLSv1.3/x\",\"certificate\":\"joe\","
        "\"connected\":\"2026-01-31T12:00:00.123Z\"");
    has(2, "\"time\":\"2026-01-31T12:01:01.123Z\"");
    has(2,
        "\"seconds\":61,\"transactions\":3,\"queries\":4,\"bytes_received\":500,"
        "\"bytes_sent\":600,\"reason\":\"client close request\"");
    has(3, "\"reason\":\"password authentication failed\",\"sqlstate\":\"28P01\"");
    CHECK(lines[3].find("seconds") == std::string::npos);
}

TEST_CASE("the console's commands go to the audit trail, questions and secrets do not") {
    const Folder folder;
    const std::string path = folder.file("audit");
    {
        AuditTrail trail;
        REQUIRE(trail.open(path));
        Fixture f;
        f.console.set_audit(trail);
        f.inspector.mutable_config().digest = "d1g357";
        CHECK(f.run("SHOW POOLS").error.empty());
        CHECK(f.run("PAUSE app; RESUME app").error.empty());
        CHECK(f.run("SET auth_query = 'select s3cret'").error.empty());
        CHECK(f.run("SET default_pool_size = 7").error.empty());
        CHECK(f.run("KILL_CLIENT 12").error.empty());
        f.inspector.next_error = Error("08P01", "no such database: x");
        CHECK_FALSE(f.run("KILL app").error.empty());
        CHECK_FALSE(f.run("PAUSE app", 2, false).error.empty());  // not allowed, not run
        ProcessEvent event;
        event.kind = ProcessEvent::Kind::Signal;
        event.event = "SIGHUP";
        trail.note(event, "abc");
        event.kind = ProcessEvent::Kind::Leak;
        trail.note(event, "abc");
    }
    const std::string text = read_text(path);
    CHECK(events(path) ==
          "log opened, command, command, command, command, command, command, signal, log closed");
    for (const char* wanted :
         {"\"command\":\"PAUSE app\"", "\"command\":\"RESUME app\"",
          "\"command\":\"SET auth_query = ...\"", "\"command\":\"SET default_pool_size = 7\"",
          "\"command\":\"KILL_CLIENT 12\"", "\"command\":\"KILL app\"",
          "\"result\":\"failed\",\"sqlstate\":\"08P01\"", "\"config_after\":\"d1g357\"",
          "\"what\":\"SIGHUP\""}) {
        CAPTURE(wanted);
        CHECK(text.find(wanted) != std::string::npos);
    }
    CHECK(text.find("s3cret") == std::string::npos);
    CHECK(text.find("SHOW") == std::string::npos);
    CHECK(problem(text).empty());
}

}  // namespace
}  // namespace weir::audit_log_test
