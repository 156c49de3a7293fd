#include "proxy/control/pidfile.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "conf/logging.h"

namespace weir {

Status Pidfile::check(const std::string& path) {
    if (path.empty() || access(path.c_str(), F_OK) != 0) return {};
    std::ifstream file(path);
    if (!file)
        return fail("58000", "could not read pidfile '" + path + "': " + std::strerror(errno));
    long pid = 0;
    file >> pid;
    // A process that got our own number by chance (the first one in a container) has ended.
    const bool is_gone =
        pid == getpid() || (pid > 0 && kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH);
    if (!is_gone) return fail("58000", "pidfile exists, another instance running?");
    log::info("stale pidfile, removing");
    if (unlink(path.c_str()) == 0) return {};
    return fail("58000", std::string("could not remove stale pidfile: ") + std::strerror(errno));
}

Status Pidfile::write(const std::string& path) {
    if (path.empty()) return {};
    std::FILE* file = std::fopen(path.c_str(), "w");
    const bool is_written =
        file != nullptr && std::fprintf(file, "%d\n", static_cast<int>(getpid())) > 0;
    if (file == nullptr || std::fclose(file) != 0 || !is_written) {
        return fail("58000", "could not write pidfile '" + path + "': " + std::strerror(errno));
    }
    path_ = path;
    return {};
}

void Pidfile::remove() {
    if (!path_.empty()) ::unlink(path_.c_str());
    path_.clear();
}

void Pidfile::let_go(const std::string& theirs) {
    if (path_ == theirs) path_.clear();
    remove();
}

}  // namespace weir
