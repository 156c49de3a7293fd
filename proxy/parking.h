// ParkingLot: where all workers stand still, between two batches of events, while another thread
// has everything that is theirs to itself (a hand-over to another process). What they had done is
// visible to that thread, and what it does to them afterwards.
// Thread: any (mutex).
#pragma once

#include <condition_variable>
#include <mutex>

namespace weir {

class ParkingLot {
  public:
    // A thread that drives `count` workers: they stand still until release().
    void park(unsigned count) {
        std::unique_lock lock(mutex_);
        parked_ += count;
        changed_.notify_all();
        changed_.wait(lock, [this] { return is_released_; });
    }
    // The other thread: returns when `count` stand still.
    void wait_for(unsigned count) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this, count] { return parked_ >= count; });
    }
    void release() {
        const std::lock_guard lock(mutex_);
        is_released_ = true;
        changed_.notify_all();
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    unsigned parked_ = 0;
    bool is_released_ = false;
};

}  // namespace weir
