// Goal: a pidfile of a living process stops a start, one of a dead process goes, and ours ends with
// us. Method: files with numbers that are known to be taken, free, our own, or no numbers.
#include "proxy/control/pidfile.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace weir::pidfile_test {
namespace {

struct Folder {
    Folder() { REQUIRE(mkdtemp(name) != nullptr); }
    ~Folder() {
        unlink(file().c_str());
        rmdir(name);
    }
    [[nodiscard]] std::string file() const { return std::string(name) + "/pid"; }
    void write(const std::string& text) const { std::ofstream(file()) << text; }
    [[nodiscard]] std::string read() const {
        std::ifstream in(file());
        std::string text;
        std::getline(in, text);
        return text;
    }

    char name[32] = "/tmp/weir-unit-XXXXXX";
};

// Of a process that has been and gone.
pid_t ended_process() {
    const pid_t pid = fork();
    if (pid == 0) _exit(0);
    waitpid(pid, nullptr, 0);
    return pid;
}

TEST_CASE("a pidfile of somebody who lives, or of nobody one can tell, stops the start") {
    const Folder folder;
    CHECK(Pidfile::check(""));
    CHECK(Pidfile::check(folder.file()));
    for (const std::string& text : {std::to_string(getppid()), std::string("1"), std::string("x"),
                                    std::string(), std::string("-5")}) {
        CAPTURE(text);
        folder.write(text);
        const Status checked = Pidfile::check(folder.file());
        REQUIRE_FALSE(checked);
        CHECK(checked.error().message == "pidfile exists, another instance running?");
        CHECK(access(folder.file().c_str(), F_OK) == 0);
    }
}

TEST_CASE("a stale pidfile is removed, also one that names ourselves by chance") {
    const Folder folder;
    for (const pid_t pid : {ended_process(), getpid()}) {
        folder.write(std::to_string(pid) + "\n");
        CHECK(Pidfile::check(folder.file()));
        CHECK(access(folder.file().c_str(), F_OK) != 0);
    }
}

TEST_CASE("our pidfile ends with us") {
    const Folder folder;
    {
        Pidfile pidfile;
        CHECK(pidfile.write(""));
        CHECK(pidfile.write(folder.file()));
        CHECK(folder.read() == std::to_string(getpid()));
    }
    CHECK(access(folder.file().c_str(), F_OK) != 0);
    Pidfile nowhere;
    const Status failed = nowhere.write(std::string(folder.name) + "/no/such");
    REQUIRE_FALSE(failed);
    CHECK(failed.error().message.find("could not write pidfile") == 0);
}

}  // namespace
}  // namespace weir::pidfile_test
