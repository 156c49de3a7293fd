// WakeList: which pools the control thread has to look at. A pool in which nothing is under way,
// and where nothing is due, sleeps and costs nothing, however many of them there are; what makes it
// change wakes it, and so does the time at which the next of its connections is due.
//
//   awake -> asleep   the control thread, when Pool::may_sleep() says so
//   asleep -> awake   Pool::wake(), under the pool's mutex; or its time has come
//
// Owner: PoolSet. Thread: control, but for add(), which is any thread's. Lock: `mutex_` guards
// `woken_`, and is a leaf; pools are called without it.
#pragma once

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "protocol/base/clock.h"

namespace weir {

class Pool;

class WakeList {
  public:
    // The pool has just become awake.
    void add(Pool& pool) {
        const std::lock_guard lock(mutex_);
        woken_.push_back(&pool);
    }

    // Those that are awake, the newly woken ones included.
    const std::vector<Pool*>& awake() {
        const std::lock_guard lock(mutex_);
        awake_.insert(awake_.end(), woken_.begin(), woken_.end());
        woken_.clear();
        return awake_;
    }
    // Wakes those whose time has come.
    void wake_due(Instant now);
    // Lets sleep whoever may.
    void settle(Instant now);
    // The pool is about to be destroyed; it is asleep or awake, and nobody wakes it any more.
    void forget(Pool& pool);

    [[nodiscard]] size_t sleeping_with_alarm() const { return alarms_.size(); }

  private:
    void set_alarm(Pool& pool, Instant due);

    std::mutex mutex_;
    std::vector<Pool*> woken_;
    std::vector<Pool*> awake_;
    std::set<std::pair<Instant, Pool*>> alarms_;  // one for each pool at the most: Pool::alarm
};

}  // namespace weir
