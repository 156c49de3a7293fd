#include "proxy/control/late_session.h"

#include <unistd.h>

#include <memory>
#include <utility>

#include "proxy/takeover/fields.h"

namespace weir {

void deal_late(ControlContext& ctx, const HandoverChannel::Frame& frame) {
    auto session = read_record<HandedSession>(as_bytes(std::string_view(frame.body)));
    if (!session) {
        ::close(frame.fd);
        return;
    }
    session->fd = frame.fd;
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::AdoptLate;
    message.late = std::make_shared<HandedSession>(std::move(*session));
    ctx.shared.in_transit.fetch_add(1);
    const uint32_t turn = ctx.late_turn.fetch_add(1, std::memory_order_relaxed);
    ctx.workers.post(static_cast<WorkerId>(turn % ctx.workers.workers()), std::move(message));
}

}  // namespace weir
