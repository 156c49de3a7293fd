// Tally: adds up what each worker counts, and is complete with the last of them. Owner: the message
// that travels to the workers. Thread: any (it locks); `complete` is called on a worker's.
#pragma once

#include <functional>
#include <mutex>

#include "proxy/session/message.h"

namespace weir {

class Tally final : public TallySink {
  public:
    Tally(unsigned workers, std::function<void(uint64_t)> complete)
        : missing_(workers), complete_(std::move(complete)) {}

    void deliver(uint64_t count) override {
        uint64_t sum = 0;
        {
            const std::lock_guard lock(mutex_);
            sum_ += count;
            if (--missing_ > 0) return;
            sum = sum_;
        }
        complete_(sum);
    }

  private:
    std::mutex mutex_;
    uint64_t sum_ = 0;
    unsigned missing_;
    const std::function<void(uint64_t)> complete_;
};

}  // namespace weir
