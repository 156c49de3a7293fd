#include "proxy/session/host_lookup.h"

#include <utility>

namespace weir {

HostTable::Answer look_up(const WorkerContext& ctx, const std::string& host) {
    HostTable::Answer answer = ctx.shared.hosts.lookup(host, ctx.now);
    if (answer.must_resolve) {
        ControlMessage message;
        message.kind = ControlMessage::Kind::Resolve;
        message.text = host;
        ctx.shared.exchange.post_control(std::move(message));
    }
    return answer;
}

}  // namespace weir
