#include "tests/support/sim_net.h"

#include <algorithm>
#include <cerrno>
#include <numeric>

namespace weir::sim {

// ---- Link ----

void Link::peer_send(std::string& out) {
    if (is_proxy_closed || is_peer_closed) return out.clear();
    const size_t there = to_proxy.size() + to_proxy_flight.size();
    const size_t n = std::min(out.size(), there < to_proxy_max ? to_proxy_max - there : 0);
    to_proxy_flight.append(out, 0, n);
    out.erase(0, n);
}

void Link::peer_close() {
    if (!to_peer.empty()) return peer_reset();  // unread bytes: as the kernel does
    has_peer_fin = is_peer_closed = true;
}

void Link::peer_reset() {
    to_proxy_flight.clear();
    to_peer_flight.clear();
    to_peer.clear();
    is_reset = is_peer_closed = has_peer_fin = true;
}

bool Link::fly(Prng& random, bool is_calm) {
    bool did = false;
    const auto move = [&](std::string& from, std::string& to, size_t limit) {
        const size_t room = to.size() < limit ? limit - to.size() : 0;
        size_t n = std::min(from.size(), room);
        if (n == 0) return;
        if (!is_calm && random.chance(40)) n = 1 + random.below(n);
        to.append(from, 0, n);
        from.erase(0, n);
        did = true;
    };
    const size_t before = to_proxy.size();
    move(to_proxy_flight, to_proxy, to_proxy_max);
    bytes_arrived += to_proxy.size() - before;
    if (is_peer_closed && !to_peer_flight.empty()) {
        // Bytes for an end that is closed: answered by a reset.
        to_peer_flight.clear();
        to_proxy_flight.clear();
        is_reset = did = true;
    }
    move(to_peer_flight, to_peer, to_peer_max);
    return did;
}

bool Link::is_readable() const {
    if (state == State::Connecting) return false;
    return !to_proxy.empty() || is_broken() || is_ended();
}

bool Link::is_writable() const {
    if (state == State::Connecting) return false;
    return is_broken() || to_peer.size() + to_peer_flight.size() < to_peer_max;
}

bool Link::is_broken() const {
    return state == State::Refused || is_reset ||
           (has_proxy_fin && has_peer_fin && to_proxy_flight.empty());
}

// ---- SimNet ----

LinkPtr SimNet::make(bool is_outgoing, uint16_t port) {
    auto link = std::make_shared<Link>();
    link->id = ++last_id_;
    link->is_outgoing = is_outgoing;
    link->port = port;
    link->state = is_outgoing ? Link::State::Connecting : Link::State::Up;
    const auto draw = [&] {
        return faults.buffer_min + random.below(faults.buffer_max - faults.buffer_min + 1);
    };
    link->to_proxy_max = draw();
    link->to_peer_max = draw();
    if (faults.is_fd_reused && !free_fds_.empty()) {
        link->fd = free_fds_.back();
        free_fds_.pop_back();
        by_fd_[static_cast<size_t>(link->fd - kFirstFd)] = link;
    } else {
        link->fd = kFirstFd + static_cast<int>(by_fd_.size());
        by_fd_.push_back(link);
    }
    ++open_fds_;
    return link;
}

int SimNet::dup(int fd) {
    const LinkPtr link = by_fd_[static_cast<size_t>(fd - kFirstFd)];
    by_fd_.push_back(link);
    ++link->copies;
    ++open_fds_;
    link->fd = kFirstFd + static_cast<int>(by_fd_.size()) - 1;
    return link->fd;
}

Link* SimNet::at(int fd, const char* what) {
    const auto index = static_cast<size_t>(fd - kFirstFd);
    Link* link = fd < kFirstFd || index >= by_fd_.size() ? nullptr : by_fd_[index].get();
    if (link == nullptr)
        trace.fail(std::string(what) + " on closed descriptor " + std::to_string(fd));
    return link;
}

void SimNet::close(int fd) {
    Link* link = at(fd, "close");
    if (link == nullptr) return;
    trace.note("close link", link->id, fd);
    for (const SimIo* set : sets) {
        if (link->copies > 1 && set->is_watching(fd))
            trace.fail("a copy of a descriptor is closed while it is watched");
    }
    for (SimIo* set : sets)
        set->remove(fd);
    if (--link->copies == 0) {
        link->fd = -1;
        link->is_proxy_closed = link->has_proxy_fin = true;
    }
    by_fd_[static_cast<size_t>(fd - kFirstFd)].reset();
    if (faults.is_fd_reused) free_fds_.push_back(fd);
    --open_fds_;
}

// ---- SimIo ----

SimIo::~SimIo() {
    std::erase(net_.sets, this);
}

void SimIo::add(int fd, Watch watch, Interest interest) {
    if (net_.at(fd, "add") == nullptr) return;
    for (const SimIo* set : net_.sets) {
        if (set->is_watching(fd)) net_.trace.fail("descriptor is registered twice");
    }
    watched_[fd] = {watch, interest, {}};
}

void SimIo::modify(int fd, Watch watch, Interest interest) {
    if (net_.at(fd, "modify") == nullptr) return;
    if (!watched_.contains(fd))
        return net_.trace.fail("modify of a descriptor that is not registered here");
    watched_[fd] = {watch, interest, {}};
}

void SimIo::tell_again(int fd) {
    if (const auto it = watched_.find(fd); it != watched_.end()) it->second.told.reset();
}

ssize_t SimIo::receive(int fd, std::span<uint8_t> into) {
    Link* link = net_.at(fd, "receive");
    if (link == nullptr) return -EBADF;
    if (net_.random.chance(net_.faults.again)) {
        tell_again(fd);
        return -EAGAIN;
    }
    if (!link->to_proxy.empty()) {
        size_t n = std::min(into.size(), link->to_proxy.size());
        if (net_.random.chance(net_.faults.short_io)) {
            n = 1 + net_.random.below(n);
            tell_again(fd);
        }
        std::copy_n(link->to_proxy.begin(), n, into.begin());
        link->to_proxy.erase(0, n);
        return static_cast<ssize_t>(n);
    }
    if (link->is_reset && !link->is_error_told) {
        link->is_error_told = true;
        return -ECONNRESET;
    }
    return link->is_ended() ? 0 : -EAGAIN;
}

ssize_t SimIo::send(int fd, std::span<const iovec> pieces) {
    Link* link = net_.at(fd, "send");
    if (link == nullptr) return -EBADF;
    if (link->is_reset || link->has_proxy_fin) {
        const bool is_first = link->is_reset && !link->is_error_told;
        link->is_error_told = true;
        return is_first ? -ECONNRESET : -EPIPE;
    }
    if (link->state != Link::State::Up) return -ENOTCONN;
    const size_t there = link->to_peer.size() + link->to_peer_flight.size();
    size_t room = there < link->to_peer_max ? link->to_peer_max - there : 0;
    if (room == 0 || net_.random.chance(net_.faults.again)) return -EAGAIN;
    if (net_.random.chance(net_.faults.short_io)) room = 1 + net_.random.below(room);
    size_t sent = 0;
    for (const iovec& piece : pieces) {
        const size_t n = std::min(piece.iov_len, room - sent);
        link->to_peer_flight.append(static_cast<const char*>(piece.iov_base), n);
        sent += n;
    }
    if (link->is_peer_closed) {  // answered by a reset
        link->to_peer_flight.clear();
        link->is_reset = true;
    }
    return static_cast<ssize_t>(sent);
}

Result<int> SimIo::connect(const Address& address) {
    if (net_.random.chance(net_.faults.no_connect)) return fail("08006", "no route");
    LinkPtr link = net_.make(true, address.port());
    net_.trace.note("connect link", link->id, link->fd);
    net_.incoming.push_back(link);
    return link->fd;
}

int SimIo::connect_result(int fd) {
    const Link* link = net_.at(fd, "connect_result");
    if (link == nullptr) return EBADF;
    if (link->is_reset) return ECONNRESET;
    return link->state == Link::State::Refused ? ECONNREFUSED : 0;
}

bool SimIo::is_peer_gone(int fd) {
    const Link* link = net_.at(fd, "is_peer_gone");
    if (link == nullptr) return false;
    return link->is_ended();
}

size_t SimIo::unsent_bytes(int fd) {
    const Link* link = net_.at(fd, "unsent_bytes");
    return link == nullptr ? 0 : link->to_peer.size() + link->to_peer_flight.size();
}

void SimIo::shutdown_send(int fd) {
    if (Link* link = net_.at(fd, "shutdown")) link->has_proxy_fin = true;
}

void SimIo::fetch(std::vector<IoEvent>& out, size_t max) {
    struct Ready {
        Watched& entry;
        Link::Arrivals arrivals;
        IoEvent event;
    };
    std::vector<Ready> ready;
    for (auto& [fd, entry] : watched_) {
        const Link* link = net_.at(fd, "fetch");
        if (link == nullptr) continue;
        const Interest& wanted = entry.interest;
        if (wanted.is_once() && entry.told == link->arrivals()) continue;
        const bool is_broken = link->is_broken();
        const IoEvent event{entry.watch, (wanted.read && link->is_readable()) || is_broken,
                            (wanted.write && link->is_writable()) || is_broken, is_broken,
                            is_broken || (wanted.is_once() && link->is_ended())};
        if (event.readable || event.writable) ready.push_back({entry, link->arrivals(), event});
    }
    std::vector<size_t> order(ready.size());
    std::iota(order.begin(), order.end(), size_t{0});
    for (size_t i = order.size(); i > 1; --i)
        std::swap(order[i - 1], order[net_.random.below(i)]);
    if (order.size() > max) order.resize(max);
    for (const size_t i : order) {
        ready[i].entry.told = ready[i].arrivals;
        out.push_back(ready[i].event);
    }
}

}  // namespace weir::sim
