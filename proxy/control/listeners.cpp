#include "proxy/control/listeners.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "conf/logging.h"
#include "proxy/net/listen_addresses.h"
#include "proxy/net/socket.h"

namespace weir {

namespace {

Status give_to_group(const std::string& file, const std::string& name) {
    errno = 0;
    const group* found = getgrnam(name.c_str());
    if (found == nullptr) {
        return fail("58000", "could not find group '" + name +
                                 "': " + (errno == 0 ? "no such group" : std::strerror(errno)));
    }
    if (chown(file.c_str(), static_cast<uid_t>(-1), found->gr_gid) == 0) return {};
    return fail("58000", "cannot give " + file + " to group '" + name +
                             "' (unix_socket_group): " + std::strerror(errno));
}

// Takes the socket that is bound to `address` out of `fds`; -1 when there is none.
int take_bound(std::vector<int>& fds, const Address& address) {
    for (size_t i = 0; i < fds.size(); ++i) {
        if (!(local_address_of(fds[i]) == address)) continue;
        const int fd = fds[i];
        fds.erase(fds.begin() + static_cast<std::ptrdiff_t>(i));
        return fd;
    }
    return -1;
}

}  // namespace

Status Listeners::open(const GlobalConfig& global, std::vector<int> handed) {
    Result<std::vector<ListenAddress>> addresses = listen_addresses(global);
    if (!addresses) return tl::unexpected<Error>(addresses.error());
    bool has_tcp = false;
    port_ = static_cast<uint16_t>(global.listen_port);
    std::string failures;
    for (const ListenAddress& entry : *addresses) {
        if (const int fd = take_bound(handed, entry.address); fd >= 0) {
            Listener::stop_dropping(fd);  // that process may have been closing it
            all_.push_back(std::make_shared<Listener>(fd, entry.address.is_unix(), entry.name));
            has_tcp = has_tcp || !entry.address.is_unix();
            if (!entry.socket_file.empty()) files_.push_back(entry.socket_file);
            log::info("listening on {}, as before", entry.name);
            continue;
        }
        if (!entry.socket_file.empty()) {
            if (Status free = remove_stale_socket(entry.address, entry.socket_file); !free)
                return free;
        }
        const bool is_unix = entry.address.is_unix();
        const Result<int> fd =
            listen_on(entry.address, entry.name, global.listen_backlog, global.so_reuseport);
        if (!fd) {
            if (is_unix) return tl::unexpected<Error>(fd.error());
            log::warning("{}", fd.error().message);
            failures += (failures.empty() ? "" : "; ") + fd.error().message;
            continue;
        }
        has_tcp = has_tcp || !is_unix;
        all_.push_back(std::make_shared<Listener>(*fd, is_unix, entry.name));
        if (!entry.socket_file.empty()) {
            files_.push_back(entry.socket_file);
            const auto mode = static_cast<mode_t>(global.unix_socket_mode);
            chmod(entry.socket_file.c_str(), mode);
            if (!global.unix_socket_group.empty()) {
                if (Status given = give_to_group(entry.socket_file, global.unix_socket_group);
                    !given)
                    return given;
            }
        }
        log::info("listening on {}", entry.name);
    }
    obsolete_ = std::move(handed);
    if (!failures.empty() && !has_tcp) return fail("58000", failures);
    configure(global);
    return {};
}

Status Listeners::adopt(int fd) {
    int listens = 0;
    socklen_t bytes = sizeof listens;
    sockaddr_storage storage{};
    socklen_t address_bytes = sizeof storage;
    const bool is_listening =
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &bytes) == 0 && listens != 0 &&
        getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &address_bytes) == 0;
    if (!is_listening) {
        return fail("58000", "file descriptor " + std::to_string(fd) + " is no listening socket");
    }
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    const Address address =
        Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage), address_bytes);
    const std::string name = address.is_unix() ? "unix" : PeerAddress::from(address).text();
    all_.push_back(std::make_shared<Listener>(fd, address.is_unix(), name));
    return {};
}

Status Listeners::check() const {
    if (!all_.empty()) return {};
    return fail("58000", "nowhere to listen on");
}

void Listeners::configure(const GlobalConfig& global) {
    if (is_closing_) return;
    for_each_tcp([&global](Listener& it) { it.set_defer_accept(global.tcp_defer_accept_s); });
}

void Listeners::begin_closing_tcp(Instant now, bool shares_port, bool serves_late) {
    const auto is_tcp = [](const ListenerPtr& listener) { return !listener->is_unix(); };
    if (is_closing_ || std::none_of(all_.begin(), all_.end(), is_tcp)) return;
    is_closing_ = true;
    if (!shares_port) return;
    drops_from_ = serves_late ? now + kDeferredMax : now;
    for_each_tcp([](Listener& it) { it.set_defer_accept(0); });
}

void Listeners::drop_syns(Instant now) {
    dropped_at_ = now;
    for_each_tcp([](Listener& it) {
        if (Status done = it.drop_syns(); !done) log::warning("{}", done.error().message);
    });
}

// May be closed without resetting anybody whom another process on the port would have served.
bool Listeners::is_drained(Instant now) {
    if (dropped_at_.is_never() && now >= drops_from_) drop_syns(now);
    if (dropped_at_.is_never() || now - dropped_at_ < kHandshakeMax) return false;
    unsigned queued = 0;
    for_each_tcp([&queued](const Listener& it) { queued += it.queued(); });
    return queued == 0;
}

bool Listeners::on_tick(Instant now) {
    if (!is_closing_) return false;
    if (!drops_from_.is_never() && !is_drained(now)) return false;
    for (const ListenerPtr& listener : all_) {
        if (!listener->is_unix()) leaving_.push_back(listener);
    }
    std::erase_if(all_, [](const ListenerPtr& listener) { return !listener->is_unix(); });
    is_closing_ = false;
    return true;
}

bool Listeners::is_closing_tcp() const {
    const auto is_there = [](const std::weak_ptr<Listener>& listener) {
        return !listener.expired();
    };
    return is_closing_ || std::any_of(leaving_.begin(), leaving_.end(), is_there);
}

std::vector<Inspector::ListeningSocket> Listeners::rows() const {
    std::vector<Inspector::ListeningSocket> out;
    for (const ListenerPtr& listener : all_) {
        const Address address = local_address_of(listener->fd());
        const uint16_t port = address.is_unix() ? port_ : address.port();
        out.push_back(
            {Descriptor::duplicate(listener->fd()), listener->fd(), address.host(), port});
    }
    return out;
}

void Listeners::close() {
    all_.clear();
    for (const std::string& file : files_)
        ::unlink(file.c_str());
    files_.clear();
}

void Listeners::close_obsolete() {
    for (const int fd : obsolete_) {
        const std::string path = local_address_of(fd).unix_path();
        if (!path.empty() && path[0] == '/') ::unlink(path.c_str());
        ::close(fd);
    }
    obsolete_.clear();
}

void Listeners::let_go() {
    files_.clear();
    close();
}

}  // namespace weir
