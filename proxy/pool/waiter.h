// Waiter: a client session's place in a pool's queue. Embedded in the session, whose slot outlives
// it. Guarded by the pool's mutex while linked; the session reads `state` only through the pool.
#pragma once

#include <cstdint>

#include "protocol/base/clock.h"
#include "protocol/base/ids.h"
#include "protocol/base/intrusive_list.h"

namespace weir {

struct Waiter : ListHook {
    ClientId client;
    uint64_t ticket = 0;  // the order of arrival, over all workers; new for each wait
    Instant since;
    // It wants a connection that is opened for it alone; set before it asks. The pool's: that
    // connection is being opened.
    bool wants_dedicated = false;
    bool is_opening = false;
};

}  // namespace weir
