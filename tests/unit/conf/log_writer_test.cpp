// Goal: nobody who logs waits for what cannot be written, nothing is lost silently, syslog gets its
// datagrams, the journal its priorities. Method: targets that do not take anything (a FIFO that
// nobody reads, a full device), and sockets of our own.
#include "conf/log_writer.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "conf/limits.h"

namespace weir::log_writer_test {
namespace {

using std::chrono::seconds;

struct Folder {
    Folder() { REQUIRE(mkdtemp(path) != nullptr); }
    ~Folder() {
        unlink(file("fifo").c_str());
        unlink(file("log").c_str());
        unlink(file("dev-log").c_str());
        rmdir(path);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] std::string file(const std::string& name) const {
        return std::string(path) + "/" + name;
    }
    char path[32] = "/tmp/weir-logw-XXXXXX";
};

LogLine line(std::string text, LogLevel level = LogLevel::Log) {
    return {level, log_time_ms(), std::move(text), std::nullopt};
}

GlobalConfig to_file(const std::string& path) {
    GlobalConfig config;
    config.logfile = path;
    return config;
}

LogTarget quiet_target(const GlobalConfig& config) {
    Result<LogTarget> target = LogTarget::open(config, true);
    REQUIRE(target);
    return std::move(*target);
}

std::string read_all(int fd) {
    std::string out;
    char chunk[65536];
    pollfd poller{fd, POLLIN, 0};
    while (poll(&poller, 1, 5000) == 1) {
        const ssize_t n = read(fd, chunk, sizeof chunk);
        if (n <= 0) break;
        out.append(chunk, static_cast<size_t>(n));
        if (out.ends_with("last\n")) break;
    }
    return out;
}

// The sum of what the lines of `text` say was lost.
uint64_t told_lost(const std::string& text) {
    const std::string begin = "WARNING ";
    uint64_t sum = 0;
    for (size_t at = text.find(begin); at != std::string::npos; at = text.find(begin, at + 1)) {
        if (text.find(" lines of the log were lost", at) < text.find('\n', at))
            sum += std::stoull(text.substr(at + begin.size()));
    }
    return sum;
}

TEST_CASE("a target that takes nothing blocks nobody, and what is lost is told") {
    const Folder folder;
    REQUIRE(mkfifo(folder.file("fifo").c_str(), 0600) == 0);
    const int reader = open(folder.file("fifo").c_str(), O_RDONLY | O_NONBLOCK);
    LogWriter writer;
    writer.set_target(quiet_target(to_file(folder.file("fifo"))));
    writer.start();
    // More than pipe, batch and queue can hold together.
    const std::string text(1000, 'x');
    constexpr size_t kLines = 3 * kLogQueueLines;
    for (size_t i = 0; i < kLines; ++i)
        writer.push(line(text));
    CHECK(writer.lost() > 0);
    CHECK_FALSE(writer.drain(std::chrono::milliseconds(20)));
    // Now somebody reads: all that was taken arrives, then how many are missing.
    std::string got;
    std::thread drain([&] { got = read_all(reader); });
    writer.drain(seconds(20));
    writer.push(line("last"));
    drain.join();
    size_t written = 0;
    for (size_t at = got.find(text); at != std::string::npos; at = got.find(text, at + 1000))
        ++written;
    CHECK(written + writer.lost() == kLines);
    CHECK(told_lost(got) == writer.lost());
    CHECK(writer.stop(seconds(10)));
    close(reader);
}

TEST_CASE("a disk that hangs does not keep the process from ending") {
    const Folder folder;
    REQUIRE(mkfifo(folder.file("fifo").c_str(), 0600) == 0);
    const int reader = open(folder.file("fifo").c_str(), O_RDONLY | O_NONBLOCK);
    static auto* const writer = new LogWriter;  // its thread is left to itself: it is never freed
    writer->set_target(quiet_target(to_file(folder.file("fifo"))));
    writer->start();
    for (size_t i = 0; i < 1000; ++i)
        writer->push(line(std::string(1000, 'x')));
    CHECK_FALSE(writer->stop(std::chrono::milliseconds(50)));
    writer->push(line("nobody waits"));
    std::string got;
    while (read_all(reader).size() > 0) {  // lets the thread end
        if (!writer->is_running()) break;
    }
    close(reader);
}

TEST_CASE("lines that a full disk refuses are told when there is room") {
    if (access("/dev/full", W_OK) != 0) return;
    const Folder folder;
    LogWriter writer;
    writer.set_target(quiet_target(to_file("/dev/full")));
    writer.start();
    writer.push(line("one"));
    writer.push(line("two"));
    CHECK(writer.drain(seconds(10)));
    writer.set_target(quiet_target(to_file(folder.file("log"))));
    writer.push(line("three"));
    CHECK(writer.stop(seconds(10)));
    std::ifstream file(folder.file("log"));
    const std::string text(std::istreambuf_iterator<char>(file), {});
    CHECK(text.find("LOG three\n") != std::string::npos);
    CHECK(text.find("WARNING 2 lines of the log could not be written") != std::string::npos);
    CHECK(writer.lost() == 2);
}

TEST_CASE("a FATAL line is taken even when the queue is full") {
    const Folder folder;
    REQUIRE(mkfifo(folder.file("fifo").c_str(), 0600) == 0);
    const int reader = open(folder.file("fifo").c_str(), O_RDONLY | O_NONBLOCK);
    LogWriter writer;
    writer.set_target(quiet_target(to_file(folder.file("fifo"))));
    writer.start();
    for (size_t i = 0; i < 3 * kLogQueueLines; ++i)
        writer.push(line(std::string(500, 'x')));
    REQUIRE(writer.lost() > 0);
    const uint64_t lost = writer.lost();
    writer.push(line("the end", LogLevel::Fatal));
    CHECK(writer.lost() == lost);
    std::string got;
    std::thread drain([&] { got = read_all(reader); });
    writer.drain(seconds(20));
    writer.push(line("last"));
    drain.join();
    CHECK(got.find("FATAL the end\n") != std::string::npos);
    CHECK(writer.stop(seconds(10)));
    close(reader);
}

// What stands for the system's logging daemon.
struct Daemon {
    explicit Daemon(const std::string& path) {
        fd = socket(AF_UNIX, SOCK_DGRAM, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }
    ~Daemon() { close(fd); }
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    [[nodiscard]] std::string receive() const {
        pollfd poller{fd, POLLIN, 0};
        char text[2000];
        if (poll(&poller, 1, 5000) != 1) return {};
        const ssize_t n = recv(fd, text, sizeof text, 0);
        return n <= 0 ? std::string() : std::string(text, static_cast<size_t>(n));
    }
    int fd = -1;
};

TEST_CASE("syslog gets facility, priority, ident and the message with its prefix") {
    const Folder folder;
    const auto daemon = std::make_unique<Daemon>(folder.file("dev-log"));
    LogWriter writer(folder.file("dev-log"));
    GlobalConfig config;
    config.syslog = true;
    config.syslog_facility = "local3";
    config.syslog_ident = "weir-a";
    writer.set_target(quiet_target(config));
    writer.start();
    LogLine warning = line("pooler error: x", LogLevel::Warning);
    warning.peer = LogPeer{};
    warning.peer->id = 5;
    warning.peer->host = "10.0.0.1";
    warning.peer->port = 9;
    writer.push(warning);
    const std::string got = daemon->receive();
    const std::string end = " weir-a[" + std::to_string(getpid()) +
                            "]: C-0x5: (nodb)/(nouser)@10.0.0.1:9 pooler error: x";
    CHECK(got.starts_with("<156>"));  // local3 is 19: 19 * 8 + 4
    CHECK(got.ends_with(end));
    CHECK(got.size() == std::strlen("<156>Jan  2 03:04:05") + end.size());
    CHECK(writer.stop(seconds(10)));
}

TEST_CASE("a logging daemon that was started anew is found again") {
    const Folder folder;
    const std::string path = folder.file("dev-log");
    SyslogSocket socket(path);
    CHECK_FALSE(socket.send(6, 0, 1, "nobody"));
    {
        const Daemon daemon(path);
        CHECK(socket.send(6, 0, 1, "one"));
        CHECK(daemon.receive().ends_with("one"));
    }
    unlink(path.c_str());
    const Daemon daemon(path);
    CHECK(socket.send(6, 0, 1, "two"));
    CHECK(daemon.receive().ends_with("two"));
}

TEST_CASE("the journal is known by the device and inode of the stream") {
    const Folder folder;
    const int fd = open(folder.file("log").c_str(), O_WRONLY | O_CREAT, 0600);
    struct stat status {};
    REQUIRE(fstat(fd, &status) == 0);
    const std::string stream = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
    CHECK(is_journal(fd, stream.c_str()));
    CHECK_FALSE(is_journal(fd, (stream + "1").c_str()));
    CHECK_FALSE(is_journal(fd, "1"));
    CHECK_FALSE(is_journal(fd, ""));
    CHECK_FALSE(is_journal(fd, nullptr));
    CHECK_FALSE(is_journal(-1, stream.c_str()));
    close(fd);
}

}  // namespace
}  // namespace weir::log_writer_test
