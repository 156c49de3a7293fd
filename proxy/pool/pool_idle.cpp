// Pool: idle connections that are taken out to be read from or closed: too old, unused for too
// long, evicted, or of a host that is gone.
#include <algorithm>

#include "proxy/pool/pool.h"

namespace weir {

bool Pool::take_idle(ServerConnection& server, uint16_t generation, WorkerId me) {
    const Guard lock(*this);
    const ServerOwner owner = server.load_owner();
    if (owner.state != LedgerState::Idle || owner.worker != me ||
        static_cast<uint16_t>(owner.generation) != generation) {
        return false;
    }
    lease_idle(server, me, me);
    return true;
}

ServerConnection* Pool::take_lru_idle(WorkerId me, Instant* idle_since) {
    const Guard lock(*this);
    ServerConnection* oldest = oldest_idle();
    if (oldest == nullptr) return nullptr;
    *idle_since = oldest->idle_since;
    if (me != kNoWorker) lease_idle(*oldest, oldest->load_owner().worker, me);
    return oldest;
}

void Pool::take_expired(WorkerId me, Instant now, std::vector<Expired>& out) {
    const Guard lock(*this);
    take_old(me, now, out);
    take_unused(me, now, out);
}

// server_lifetime: spaced, so that a pool does not reconnect all at once. And those that are older
// than their server's promotion.
void Pool::take_old(WorkerId me, Instant now, std::vector<Expired>& out) {
    for (IdleList& list : idle_) {
        ServerConnection* next = nullptr;
        for (ServerConnection* server = list.front(); server != nullptr; server = next) {
            next = list.next(*server);
            const bool is_turn = settings_.size == 0 ||
                                 now - last_lifetime_close_ >= settings_.lifetime / settings_.size;
            const bool is_due = is_turn && is_expired(*server, now);
            const bool is_wrong = is_of_a_standby(*server);
            if (!is_due && !is_wrong) continue;
            if (is_due) last_lifetime_close_ = now;
            lease_idle(*server, server->load_owner().worker, me);
            out.push_back({server, is_due ? "server lifetime over" : "is of before the promotion"});
        }
    }
}

// server_idle_timeout: down to min_pool_size, from the cold end. As connections are used again last
// in, first out, whoever was idle for so long is beyond what is wanted.
void Pool::take_unused(WorkerId me, Instant now, std::vector<Expired>& out) {
    const auto total = static_cast<uint32_t>(staying() - std::min(out.size(), staying()));
    const auto least = static_cast<uint32_t>(std::max(settings_.size_min, 0));
    const uint32_t unused = count_unused(now);
    uint32_t count = shrink_count(total, least, unused);
    if (settings_.sizing == SizingMode::Fixed && total > least)
        count = std::min(total - least, unused);
    for (; count > 0; --count) {
        ServerConnection& server = *oldest_idle();
        lease_idle(server, server.load_owner().worker, me);
        out.push_back({&server, "server idle timeout"});
    }
}

bool Pool::is_unused(const ServerConnection& server, Instant now) const {
    return settings_.idle_timeout.count() > 0 && now - server.idle_since >= settings_.idle_timeout;
}

uint32_t Pool::count_unused(Instant now) {
    uint32_t count = 0;
    for (IdleList& list : idle_) {  // coldest last
        for (ServerConnection* server = list.back(); server != nullptr && is_unused(*server, now);
             server = list.previous(*server)) {
            ++count;
        }
    }
    return count;
}

void Pool::take_all_idle(WorkerId me, std::vector<ServerConnection*>& out) {
    const Guard lock(*this);
    for (IdleList& list : idle_) {
        while (ServerConnection* server = list.front()) {
            lease_idle(*server, server->load_owner().worker, me);
            out.push_back(server);
        }
    }
}

// Only what has logged in: until then host and address are its worker's, who looks itself.
void Pool::take_gone(const std::string& host, const std::vector<std::string>& ips, WorkerId me,
                     std::vector<ServerConnection*>& out) {
    const Guard lock(*this);
    for (const auto& slot : slots_) {
        ServerConnection& server = *slot;
        const ServerOwner owner = server.load_owner();
        if (owner.state != LedgerState::Idle && owner.state != LedgerState::Leased) continue;
        if (server.host != host || server.address.is_unix()) continue;
        if (std::find(ips.begin(), ips.end(), server.address.host()) == ips.end()) continue;
        server.epoch = 0;
        has_obsolete_.store(true, std::memory_order_relaxed);
        if (owner.state != LedgerState::Idle) continue;
        lease_idle(server, owner.worker, me);
        out.push_back(&server);
    }
}

}  // namespace weir
