// Draining: clients that are sent away while the process shuts down (shutdown_drain), each when it
// is outside a transaction, a part of them at a time, so that they do not come back elsewhere all
// at once. Only those of transaction and statement pooling: a session of session pooling has state
// of its own. Owner: Worker. Thread: the worker's.
#pragma once

#include "proxy/session/context.h"

namespace weir {

class Draining {
  public:
    explicit Draining(WorkerContext& context) : ctx_(context) {}

    static constexpr uint32_t kAll = 1024;

    // `portion` of kAll has to leave by now. Who is in a transaction leaves at its end.
    void on_progress(uint32_t portion);
    // Sends the session away when its turn has come and it is idle; true when it was so.
    bool let_go(ClientSession& session);

  private:
    WorkerContext& ctx_;
};

}  // namespace weir
