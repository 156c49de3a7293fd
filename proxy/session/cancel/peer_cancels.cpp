#include "proxy/session/cancel/peer_cancels.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "protocol/message/startup.h"
#include "proxy/session/cancel/cancels.h"
#include "proxy/session/host_lookup.h"

namespace weir {

namespace {

Watch watch_of(const PeerConnection& connection) {
    return Watch::of(Watch::Kind::Peer, &connection, connection.generation);
}

}  // namespace

const PeerConfig* PeerCancels::config_of(int peer) const {
    for (const PeerConfig& entry : ctx_.config->peers) {
        if (entry.id == peer) return &entry;
    }
    return nullptr;
}

void PeerCancels::forward(int peer, const CancelKey& key, ClientId requester) {
    if (config_of(peer) == nullptr) return ctx_.cancels->notify(requester);
    PeerConnection& connection = slab_.take();
    connection.worker = ctx_.id;
    connection.fd = -1;
    connection.peer = peer;
    connection.requester = requester;
    connection.is_active = connection.is_sent = false;
    connection.request = make_cancel_request(key);
    all_.push_back(&connection);
    ctx_.deadlines.arm(connection, ctx_.now + ctx_.config->global.cancel_wait_timeout);
    peers_[peer].waiting.push_back(&connection);
    start_waiting(peer);
}

void PeerCancels::start_waiting(int peer) {
    Peer& state = peers_[peer];
    while (!state.waiting.empty()) {
        const PeerConfig* config = config_of(peer);
        if (config == nullptr) {  // gone with a reload
            finish(*state.waiting.front());
            continue;
        }
        const int limit = config->pool_size == kInherit ? ctx_.config->global.default_pool_size
                                                        : config->pool_size;
        if (limit > 0 && state.active >= limit) return;
        PeerConnection& connection = *state.waiting.front();
        state.waiting.pop_front();
        ++state.active;
        connection.is_active = true;
        connection.host = config->hosts[state.next_host++ % config->hosts.size()];
        connect(connection);
    }
}

void PeerCancels::connect(PeerConnection& connection) {
    const PeerConfig* config = config_of(connection.peer);
    if (config == nullptr) return finish(connection);
    const auto address = address_of(ctx_, connection.host, config->port);
    if (!address) return unresolved_.push_back(&connection);
    if (!*address) return fail(connection, address->error().message);
    connect_to(connection, **address);
}

void PeerCancels::on_resolved() {
    std::vector<PeerConnection*> waiting;
    waiting.swap(unresolved_);
    for (PeerConnection* connection : waiting)
        connect(*connection);
}

void PeerCancels::connect_to(PeerConnection& connection, const Address& address) {
    const Result<int> fd = ctx_.io.connect(address);
    if (!fd) return fail(connection, fd.error().message);
    connection.fd = *fd;
    ctx_.io.add(connection.fd, watch_of(connection), {.write = true});
}

void PeerCancels::on_event(PeerConnection& connection, const IoEvent& event) {
    const bool is_ours = connection.fd >= 0 &&
                         event.watch.generation() == static_cast<uint16_t>(connection.generation);
    if (!is_ours) return;
    if (!connection.is_sent) {
        if (const int error = ctx_.io.connect_result(connection.fd); error != 0)
            return fail(connection, std::string("connect failed: ") + std::strerror(error));
        const iovec piece{connection.request.data(), connection.request.size()};
        // A few bytes into an empty socket buffer: all or nothing.
        const ssize_t n = ctx_.io.send(connection.fd, {&piece, 1});
        if (n != static_cast<ssize_t>(connection.request.size()))
            return fail(connection, "the request could not be sent");
        connection.is_sent = true;
        return ctx_.io.modify(connection.fd, watch_of(connection), {.read = true});
    }
    // The peer closes when it has carried the request out.
    uint8_t scratch[64];
    const ssize_t n = ctx_.io.receive(connection.fd, scratch);
    if (n <= 0 && n != -EAGAIN) finish(connection);
}

void PeerCancels::on_deadline(PeerConnection& connection) {
    fail(connection, "cancel_wait_timeout");
}

void PeerCancels::fail(PeerConnection& connection, const std::string& why) {
    if (const auto suppressed = failures_.admit(ctx_.now)) {
        log::warning("cancel request for peer {} was not passed on: {} ({} more not logged)",
                     connection.peer, why, *suppressed);
    }
    finish(connection);
}

void PeerCancels::finish(PeerConnection& connection) {
    Peer& peer = peers_[connection.peer];
    const ClientId requester = connection.requester;
    const int id = connection.peer;
    ctx_.deadlines.disarm(connection);
    if (connection.fd >= 0) ctx_.io.close(connection.fd);
    connection.fd = -1;
    connection.request.clear();
    if (connection.is_active) --peer.active;
    std::erase(peer.waiting, &connection);
    std::erase(unresolved_, &connection);
    std::erase(all_, &connection);
    slab_.give_back(connection);
    ctx_.cancels->notify(requester);
    start_waiting(id);
}

void PeerCancels::close_all() {
    for (PeerConnection* connection : all_) {
        ctx_.deadlines.disarm(*connection);
        if (connection->fd >= 0) ctx_.io.close(connection->fd);
        connection->fd = -1;
        slab_.give_back(*connection);
    }
    all_.clear();
    unresolved_.clear();
    peers_.clear();
}

std::vector<PeerRow> PeerCancels::rows() const {
    std::vector<PeerRow> out;
    for (const auto& [id, peer] : peers_) {
        PeerRow row;
        row.id = id;
        row.requests_waiting = peer.waiting.size();
        for (const PeerConnection* connection : all_) {
            if (connection->peer != id || !connection->is_active) continue;
            ++row.requests_active;
            ++(connection->is_sent ? row.connections_sent : row.connections_opening);
        }
        out.push_back(row);
    }
    return out;
}

}  // namespace weir
