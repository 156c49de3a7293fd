#include "proxy/start/inherited_sockets.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

namespace weir {

std::vector<int> take_inherited_sockets() {
    constexpr int kFirst = 3;  // SD_LISTEN_FDS_START
    std::vector<int> out;
    const char* pid = std::getenv("LISTEN_PID");
    const char* count = std::getenv("LISTEN_FDS");
    if (pid != nullptr && count != nullptr && std::to_string(getpid()) == pid) {
        const long sockets = std::strtol(count, nullptr, 10);
        for (int i = 0; i < sockets; ++i)
            out.push_back(kFirst + i);
    }
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"})
        unsetenv(name);
    return out;
}

}  // namespace weir
