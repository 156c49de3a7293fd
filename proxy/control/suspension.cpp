#include "proxy/control/suspension.h"

namespace weir {

void Suspension::begin(Instant now, Duration timeout) {
    is_on_ = true;
    is_flushed_ = is_asking_ = false;
    over_at_ = now + timeout;
    tick(now);
}

void Suspension::tick(Instant now) {
    if (!is_on_ || is_flushed_ || is_asking_) return;
    is_asking_ = true;
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::Hold;
    message.flag = now >= over_at_;
    ask_(std::move(message), [this, round = ++round_](uint64_t moving) {
        if (round != round_) return;
        is_asking_ = false;
        is_flushed_ = moving == 0;
    });
}

void Suspension::end() {
    is_on_ = is_flushed_ = is_asking_ = false;
    ++round_;
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::Release;
    ask_(std::move(message), nullptr);
}

}  // namespace weir
