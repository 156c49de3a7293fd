#include "proxy/control/pidfile.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace weir {

Status Pidfile::write(const std::string& path) {
    if (path.empty()) return {};
    std::FILE* file = std::fopen(path.c_str(), "w");
    const bool is_written =
        file != nullptr && std::fprintf(file, "%d\n", static_cast<int>(getpid())) > 0;
    if (file == nullptr || std::fclose(file) != 0 || !is_written) {
        return fail("58000", "cannot write pidfile " + path + ": " + std::strerror(errno));
    }
    path_ = path;
    return {};
}

void Pidfile::remove() {
    if (!path_.empty()) ::unlink(path_.c_str());
    path_.clear();
}

}  // namespace weir
