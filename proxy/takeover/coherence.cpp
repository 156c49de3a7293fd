#include "proxy/takeover/coherence.h"

#include <algorithm>

#include "proxy/routing/route_counters.h"
#include "proxy/runtime/address.h"

namespace weir {

namespace {

template <typename T>
bool is_in(HandedRef ref, const std::vector<T>& list) {
    return ref <= list.size();
}

bool is_right_session(const HandedSession& it, const HandedWorld& world) {
    const bool is_logging_in = it.phase == HandedPhase::Startup ||
                               it.phase == HandedPhase::Refused || it.phase == HandedPhase::Named ||
                               it.phase == HandedPhase::Authenticated;
    const auto is_statement = [&world](HandedRef ref) { return is_in(ref, world.statements); };
    const bool are_statements_right =
        is_statement(it.unnamed) &&
        std::all_of(
            it.named.begin(), it.named.end(),
            [&](const HandedName& n) { return n.statement > 0 && is_statement(n.statement); }) &&
        std::all_of(it.unconfirmed.begin(), it.unconfirmed.end(),
                    [&](const HandedChange& c) { return is_statement(c.before); });
    return it.fd >= 0 && is_in(it.server, world.servers) && is_in(it.group, world.groups) &&
           is_in(it.welcome, world.welcomes) && are_statements_right &&
           it.peer.size() == sizeof(PeerAddress) && is_logging_in == it.login.has_value() &&
           it.reason < RouteReason::kCount && (it.phase != HandedPhase::Live || it.group > 0) &&
           (it.server == 0 || it.phase == HandedPhase::Live);
}

}  // namespace

bool is_coherent(const HandedWorld& world) {
    const auto is_right_server = [&world](const HandedServer& it) {
        return it.fd >= 0 && it.group > 0 && is_in(it.group, world.groups) &&
               is_in(it.welcome, world.welcomes) && is_in(it.unnamed_of, world.sessions) &&
               is_in(it.dedicated_to, world.sessions) &&
               (it.dedicated_to == 0 || it.ledger == HandedLedger::Leased);
    };
    const auto is_right_cancel = [&world](const HandedCancel& it) {
        return it.fd >= 0 && is_in(it.server, world.servers) && is_in(it.requester, world.sessions);
    };
    const auto is_right_group = [&world](const HandedGroup& it) {
        return std::all_of(it.welcomes.begin(), it.welcomes.end(), [&world](HandedRef ref) {
            return ref > 0 && is_in(ref, world.welcomes);
        });
    };
    std::vector<bool> is_linked(world.servers.size());
    for (const HandedSession& it : world.sessions) {
        if (!is_right_session(it, world)) return false;
        if (it.server == 0) continue;
        if (is_linked[it.server - 1]) return false;
        is_linked[it.server - 1] = true;
    }
    for (size_t i = 0; i < world.servers.size(); ++i) {
        const HandedServerPhase phase = world.servers[i].phase;
        const bool needs_client = phase == HandedServerPhase::Relaying ||
                                  phase == HandedServerPhase::Preparing ||
                                  phase == HandedServerPhase::Checking;
        const bool is_idle = world.servers[i].ledger == HandedLedger::Idle;
        if (needs_client != is_linked[i] || (is_idle && phase != HandedServerPhase::Ready))
            return false;
    }
    return std::all_of(world.servers.begin(), world.servers.end(), is_right_server) &&
           std::all_of(world.cancels.begin(), world.cancels.end(), is_right_cancel) &&
           std::all_of(world.groups.begin(), world.groups.end(), is_right_group);
}

}  // namespace weir
