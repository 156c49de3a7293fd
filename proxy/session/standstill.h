// Standstill: SUSPEND on one worker. Whoever has nothing between its two sides is not read from any
// more; whoever has is asked again later, until all stand still. Bytes that arrive meanwhile wait
// in the kernel. Time limits of clients that stand still do not run out.
//
// Owner: Worker. Thread: the worker's.
#pragma once

#include "proxy/session/context.h"

namespace weir {

class Standstill {
  public:
    explicit Standstill(WorkerContext& context) : ctx_(context) {}

    // Stops what can be stopped; gives how many cannot yet. `is_over`: there is no more time, those
    // are closed.
    size_t hold(bool is_over);
    // Everything goes on.
    void release();

  private:
    enum class Progress : uint8_t { Still, Moving, Ignored };
    Progress stop(ClientSession& session);
    Progress stop(ServerConnection& server);

    WorkerContext& ctx_;
};

}  // namespace weir
