// All records of a HandedWorld on a HandoverChannel. Thread: one at a time.
#pragma once

#include "proxy/takeover/channel.h"
#include "proxy/takeover/state.h"

namespace weir {

// Sends all records, and that this is all. Descriptors stay the caller's.
Status send_world(HandoverChannel& channel, const HandedWorld& world);

// Receives what send_world() sends. Descriptors are the caller's afterwards; when it fails, of
// those that have come, too: then the process is to end.
Result<HandedWorld> receive_world(HandoverChannel& channel);

}  // namespace weir
