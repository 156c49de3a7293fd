// Predecessor: the processes that this one has taken over from (weir -R) and that still serve
// clients of theirs, for cancel requests: who wants one of those reaches us.
// Thread: any worker's.
#pragma once

#include "protocol/message/cancel_key.h"

namespace weir {

struct ClientSession;
struct WorkerContext;

class Predecessor {
  public:
    virtual ~Predecessor() = default;
    // The session has brought a cancel request with a key that nobody here was given: it goes
    // there, and is over here. False: there is nobody.
    virtual bool pass_on(WorkerContext& ctx, ClientSession& session, const CancelKey& key) = 0;
};

}  // namespace weir
