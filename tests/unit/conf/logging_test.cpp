// Goal: the shape of log lines, levels, where they go, rotation, use from several threads, rate
// limits. Method: log to files in a temporary directory with stderr kept quiet, shut down, read the
// file.
#include "conf/logging.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <thread>
#include <vector>

#include "conf/limits.h"

namespace weir::logging_test {
namespace {

// A directory with a log file; logging runs while it lives.
class LogFile {
  public:
    LogFile() {
        REQUIRE(mkdtemp(dir_) != nullptr);
        config_.logfile = path();
    }
    ~LogFile() {
        shutdown_logging();
        CHECK(init_logging(GlobalConfig(), false));
        shutdown_logging();
        unlink(path().c_str());
        unlink(moved().c_str());
        rmdir(dir_);
    }
    LogFile(const LogFile&) = delete;
    LogFile& operator=(const LogFile&) = delete;

    void start(int verbose = 0) {
        config_.verbose = verbose;
        REQUIRE(init_logging(config_, true));
    }
    [[nodiscard]] std::string path() const { return std::string(dir_) + "/log"; }
    [[nodiscard]] std::string moved() const { return path() + ".1"; }

    static std::vector<std::string> lines_of(const std::string& path) {
        shutdown_logging();
        std::vector<std::string> lines;
        std::ifstream file(path);
        for (std::string line; std::getline(file, line);) {
            lines.push_back(line);
        }
        return lines;
    }
    [[nodiscard]] std::vector<std::string> lines() const { return lines_of(path()); }

  private:
    char dir_[32] = "/tmp/weir-log-XXXXXX";
    GlobalConfig config_;
};

std::string message_of(const std::string& line) {
    const size_t end = line.find("] ");
    return end == std::string::npos ? line : line.substr(end + 2);
}

TEST_CASE("a line has time, zone, process, level and message") {
    LogFile log;
    log.start();
    log::info("hello {}", 7);
    const std::vector<std::string> lines = log.lines();
    REQUIRE(lines.size() == 1);
    const std::string& line = lines[0];
    std::string shape = line.substr(0, 24);
    for (char& c : shape) {
        if (c >= '0' && c <= '9') c = '9';
    }
    CHECK(shape == "9999-99-99 99:99:99.999 ");
    const size_t zone_end = line.find(' ', 24);
    CHECK(zone_end > 24);
    CHECK(line.substr(zone_end) == " [" + std::to_string(getpid()) + "] LOG hello 7");
}

TEST_CASE("levels have PgBouncer's words and verbose opens the lower ones") {
    const auto messages = [](int verbose) {
        LogFile log;
        log.start(verbose);
        log::noise("n");
        log::debug("d");
        log::info("i");
        log::warning("w");
        log::error("e");
        log::fatal("f");
        std::string text;
        for (const std::string& line : log.lines()) {
            text += message_of(line) + ",";
        }
        return text;
    };
    CHECK(messages(0) == "LOG i,WARNING w,ERROR e,FATAL f,");
    CHECK(messages(1) == "DEBUG d,LOG i,WARNING w,ERROR e,FATAL f,");
    CHECK(messages(2) == "NOISE n,DEBUG d,LOG i,WARNING w,ERROR e,FATAL f,");
}

TEST_CASE("a line that is not wanted is not formatted") {
    LogFile log;
    log.start();
    CHECK_FALSE(log::is_enabled(LogLevel::Debug));
    CHECK(log::is_enabled(LogLevel::Log));
}

TEST_CASE("what a peer sends cannot start a line of its own") {
    LogFile log;
    log.start();
    log::info("user \"{}\"", "a\n2026-01-01 FATAL forged\r\x1b[31m\x7f\tb");
    const std::vector<std::string> lines = log.lines();
    REQUIRE(lines.size() == 1);
    CHECK(message_of(lines[0]) == "LOG user \"a\\n2026-01-01 FATAL forged\\x0d\\x1b[31m\\x7f\tb\"");
}

TEST_CASE("an endless line is cut") {
    LogFile log;
    log.start();
    log::info("{}", std::string(kLogLineBytesMax + 10, 'x'));
    const std::vector<std::string> lines = log.lines();
    REQUIRE(lines.size() == 1);
    CHECK(message_of(lines[0]).size() == std::string("LOG ").size() + kLogLineBytesMax + 3);
}

TEST_CASE("a log file that was moved away is opened anew and appended to") {
    LogFile log;
    log.start();
    log::info("one");
    shutdown_logging();
    REQUIRE(std::rename(log.path().c_str(), log.moved().c_str()) == 0);
    log::info("two");  // written at once: logging is shut down
    log.start();       // opens it anew, as RELOAD does
    log::info("three");
    log::info("four");
    CHECK(LogFile::lines_of(log.moved()).size() == 2);
    const std::vector<std::string> lines = log.lines();
    REQUIRE(lines.size() == 2);
    CHECK(message_of(lines[0]) == "LOG three");
    CHECK(message_of(lines[1]) == "LOG four");
}

TEST_CASE("a log file that cannot be opened leaves the log where it was") {
    LogFile log;
    log.start();
    GlobalConfig broken;
    broken.logfile = "/nonexistent/dir/log";
    const Status status = init_logging(broken, true);
    REQUIRE_FALSE(status);
    CHECK(status.error().message ==
          "cannot open logfile \"/nonexistent/dir/log\": No such file or directory");
    log::info("still here");
    CHECK(log.lines().size() == 1);
}

TEST_CASE("lines of several threads arrive whole while the log is rotated") {
    LogFile log;
    log.start();
    constexpr int kThreads = 4, kLines = 1000;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < kThreads; ++t) {
            threads.emplace_back([t] {
                for (int i = 0; i < kLines; ++i) {
                    log::info("thread {} line {} end", t, i);
                }
            });
        }
        log.start();
    }
    const std::vector<std::string> lines = log.lines();
    CHECK(lines.size() == kThreads * kLines);
    for (const std::string& line : lines) {
        CHECK(line.substr(line.size() - 3) == "end");
    }
}

TEST_CASE("logging may stop and start while threads log") {
    LogFile log;
    log.start();
    std::atomic<bool> done{false};
    {
        std::jthread thread([&done] {
            while (!done.load()) {
                log::info("busy end");
            }
        });
        for (int i = 0; i < 20; ++i) {
            shutdown_logging();
            log.start();
        }
        done = true;
    }
    for (const std::string& line : log.lines()) {
        const std::string message = message_of(line);
        // It may come faster than it can be written.
        const bool tells_loss = message.find(" lines of the log were lost") != std::string::npos;
        CHECK((message == "LOG busy end" || tells_loss));
    }
}

TEST_CASE("a rate limit admits so many a second and tells how many it held back") {
    RateLimit limit(2);
    const auto at = [](int64_t ms) { return Instant{ms * 1000}; };
    CHECK(limit.admit(at(1000)) == 0u);
    CHECK(limit.admit(at(1100)) == 0u);
    CHECK_FALSE(limit.admit(at(1200)));
    CHECK_FALSE(limit.admit(at(1999)));
    CHECK(limit.admit(at(2000)) == 2u);
    CHECK(limit.admit(at(2001)) == 0u);
    CHECK_FALSE(limit.admit(at(2002)));
    CHECK(limit.admit(at(9000)) == 1u);
}

}  // namespace
}  // namespace weir::logging_test
