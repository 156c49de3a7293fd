#include "proxy/pool/wake_list.h"

#include "proxy/pool/pool.h"

namespace weir {

void WakeList::wake_due(Instant now) {
    while (!alarms_.empty() && alarms_.begin()->first <= now) {
        Pool& pool = *alarms_.begin()->second;
        alarms_.erase(alarms_.begin());
        pool.alarm = {};
        pool.wake();
    }
}

// An earlier alarm that is set already will do: the pool is asked again then.
void WakeList::set_alarm(Pool& pool, Instant due) {
    if (!pool.alarm.is_never()) {
        if (due.is_never() || pool.alarm <= due) return;
        alarms_.erase({pool.alarm, &pool});
    }
    pool.alarm = due;
    if (!due.is_never()) alarms_.insert({due, &pool});
}

void WakeList::settle(Instant now) {
    std::erase_if(awake_, [this, now](Pool* pool) {
        Instant due;
        if (!pool->may_sleep(now, &due)) return false;
        set_alarm(*pool, due);
        return true;
    });
}

void WakeList::forget(Pool& pool) {
    (void)awake();
    std::erase(awake_, &pool);
    if (!pool.alarm.is_never()) alarms_.erase({pool.alarm, &pool});
    pool.alarm = {};
}

}  // namespace weir
