// Inbox: what other threads have for the control thread: messages of workers, and calls that are to
// be made there. Owner: Control. Thread: any (mutex); both callbacks run on the control thread.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "protocol/base/result.h"
#include "proxy/runtime/loop.h"
#include "proxy/session/message.h"

namespace weir {

class Inbox {
  public:
    // `on_message` gets each message, in the order of their arrival.
    Inbox(Loop& loop, std::function<void(ControlMessage&)> on_message);

    void post(ControlMessage message);
    // `call` is made on the control thread soon, never before this returns.
    void call_later(std::function<void()> call);
    // `done`, to be called from any thread and carried out on the control thread.
    [[nodiscard]] std::function<void(Status)> later(std::function<void(Status)> done);

  private:
    void drain();

    const std::function<void(ControlMessage&)> on_message_;
    std::mutex mutex_;  // guards both queues
    std::vector<ControlMessage> messages_;
    std::deque<std::function<void()>> calls_;
    Wakeup wakeup_;  // after the members that its callback uses
};

}  // namespace weir
