#include "proxy/control/inbox.h"

#include <utility>

namespace weir {

Inbox::Inbox(Loop& loop, std::function<void(ControlMessage&)> on_message)
    : on_message_(std::move(on_message)), wakeup_(loop, [this] { drain(); }) {}

void Inbox::post(ControlMessage message) {
    bool was_empty;
    {
        const std::lock_guard lock(mutex_);
        was_empty = messages_.empty() && calls_.empty();
        messages_.push_back(std::move(message));
    }
    if (was_empty) wakeup_.wake();
}

void Inbox::call_later(std::function<void()> call) {
    bool was_empty;
    {
        const std::lock_guard lock(mutex_);
        was_empty = messages_.empty() && calls_.empty();
        calls_.push_back(std::move(call));
    }
    if (was_empty) wakeup_.wake();
}

std::function<void(Status)> Inbox::later(std::function<void(Status)> done) {
    return [this, done = std::move(done)](Status status) {
        call_later([done, status = std::move(status)] { done(status); });
    };
}

void Inbox::drain() {
    std::vector<ControlMessage> messages;
    std::deque<std::function<void()>> calls;
    {
        const std::lock_guard lock(mutex_);
        messages.swap(messages_);
        calls.swap(calls_);
    }
    for (ControlMessage& message : messages)
        on_message_(message);
    for (const auto& call : calls)
        call();
}

}  // namespace weir
