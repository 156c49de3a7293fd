#include "proxy/pool/refusals.h"

#include <optional>
#include <utility>

namespace weir {

Error cached_refusal(const Error& known) {
    return Error(known.sqlstate, "server login has been failing, cached error: " + known.message +
                                     " (server_login_retry)");
}

std::string with_cause(std::string text, const PoolMembers& members) {
    for (const PoolMember& member : members.list) {
        const Endpoint* endpoint = member.pool->endpoint();
        const std::optional<Error> why = member.pool->why_unreachable();
        if (endpoint == nullptr || !why) continue;
        return std::move(text) + ": " + endpoint->address() + ": " + why->message;
    }
    return text;
}

}  // namespace weir
