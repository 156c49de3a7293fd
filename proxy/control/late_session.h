// A session that another process sends when the hand-over is done, from whichever side: it goes to
// a worker. Thread: any.
#pragma once

#include "proxy/control/context.h"
#include "proxy/takeover/channel.h"

namespace weir {

// Takes the frame's descriptor, which is closed when the record cannot be read. Workers get them by
// turns.
void deal_late(ControlContext& ctx, const HandoverChannel::Frame& frame);

}  // namespace weir
