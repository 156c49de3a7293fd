#include "proxy/control/listeners.h"

#include <sys/stat.h>
#include <unistd.h>

#include "conf/logging.h"
#include "proxy/net/listen_addresses.h"
#include "proxy/net/socket.h"

namespace weir {

Status Listeners::open(const GlobalConfig& global) {
    Result<std::vector<ListenAddress>> addresses = listen_addresses(global);
    if (!addresses) return tl::unexpected<Error>(addresses.error());
    std::string failures;
    for (const ListenAddress& entry : *addresses) {
        if (!entry.socket_file.empty()) {
            if (Status free = remove_stale_socket(entry.address, entry.socket_file); !free)
                return free;
        }
        const Result<int> fd = listen_on(entry.address, global.listen_backlog, global.so_reuseport);
        if (!fd) {
            log::warning("{}", fd.error().message);
            failures += (failures.empty() ? "" : "; ") + fd.error().message;
            if (!entry.socket_file.empty()) return tl::unexpected<Error>(fd.error());
            continue;
        }
        fds_.push_back(*fd);
        if (!entry.socket_file.empty()) {
            chmod(entry.socket_file.c_str(), static_cast<mode_t>(global.unix_socket_mode));
            files_.push_back(entry.socket_file);
        }
        log::info("listening on {}", entry.name);
    }
    if (!fds_.empty()) return {};
    return fail("58000", failures.empty()
                             ? "nowhere to listen on: set listen_addr or unix_socket_dir"
                             : failures);
}

void Listeners::close() {
    for (const int fd : fds_)
        ::close(fd);
    fds_.clear();
    for (const std::string& file : files_)
        ::unlink(file.c_str());
    files_.clear();
}

}  // namespace weir
