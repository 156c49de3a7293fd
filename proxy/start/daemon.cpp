#include "proxy/start/daemon.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "conf/logging.h"

namespace weir {

namespace {

constexpr char kReady = '\n';  // no error text begins with it

// In the foreground: until the background says how it went.
[[noreturn]] void wait_and_exit(int from_background) {
    std::string text;
    char buffer[512];
    while (true) {
        const ssize_t n = ::read(from_background, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        text.append(buffer, static_cast<size_t>(n));
        if (text[0] == kReady) ::_exit(0);
    }
    log::fatal("{}", text.empty() ? "the process in the background has ended" : text);
    ::_exit(1);
}

}  // namespace

Daemon::~Daemon() {
    if (to_foreground_ >= 0) ::close(to_foreground_);
}

Status Daemon::go() {
    const auto refused = [](const char* what) {
        return fail("58000", std::string("cannot go to the background: ") + what + ": " +
                                 std::strerror(errno));
    };
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return refused("pipe");
    const pid_t first = fork();
    if (first < 0) return refused("fork");
    if (first > 0) {
        ::close(ends[1]);
        (void)waitpid(first, nullptr, 0);
        wait_and_exit(ends[0]);
    }
    ::close(ends[0]);
    to_foreground_ = ends[1];
    if (setsid() < 0) return refused("setsid");
    // Not the leader of its session, so that no terminal can become ours again.
    const pid_t second = fork();
    if (second < 0) return refused("second fork");
    if (second > 0) ::_exit(0);
    const int null = ::open("/dev/null", O_RDWR);
    if (null < 0) return refused("/dev/null");
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        dup2(null, fd);
    if (null > STDERR_FILENO) ::close(null);
    return {};
}

void Daemon::ready() {
    if (to_foreground_ < 0) return;
    (void)!::write(to_foreground_, &kReady, 1);
    ::close(to_foreground_);
    to_foreground_ = -1;
}

void Daemon::failed(const std::string& text) {
    if (to_foreground_ < 0) return;
    (void)!::write(to_foreground_, text.data(), text.size());
    ::close(to_foreground_);
    to_foreground_ = -1;
}

}  // namespace weir
