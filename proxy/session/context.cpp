#include "proxy/session/context.h"

#include "proxy/session/login/client_login.h"

namespace weir {

WorkerContext::WorkerContext(WorkerId worker, Shared& shared_state, Io& worker_io,
                             ConfigPtr first_config)
    : id(worker),
      shared(shared_state),
      io(worker_io),
      config(std::move(first_config)),
      tls(shared_state.tls.get()) {}

WorkerContext::~WorkerContext() = default;

void post_event(const WorkerContext& ctx, ProcessEvent event) {
    ControlMessage message;
    message.kind = ControlMessage::Kind::Event;
    message.event = std::make_shared<const ProcessEvent>(std::move(event));
    ctx.shared.exchange.post_control(std::move(message));
}

}  // namespace weir
