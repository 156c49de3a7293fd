#include "proxy/session/context.h"

#include "proxy/session/client_login.h"

namespace weir {

WorkerContext::WorkerContext(WorkerId worker, Shared& shared_state, Io& worker_io,
                             ConfigPtr first_config)
    : id(worker),
      shared(shared_state),
      io(worker_io),
      config(std::move(first_config)),
      tls(shared_state.tls.get()) {}

WorkerContext::~WorkerContext() = default;

}  // namespace weir
