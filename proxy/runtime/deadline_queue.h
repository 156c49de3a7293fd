// DeadlineQueue: one hashed timer wheel per worker instead of one timer per session.
//
// Arming is lazy: an entry that is already due earlier stays where it is, and its owner is simply
// asked again when it fires. So re-arming for every transaction costs a comparison. Precision is
// one tick. Thread: the worker's.
#pragma once

#include <array>
#include <cstdint>

#include "protocol/base/clock.h"
#include "protocol/base/intrusive_list.h"

namespace weir {

struct Deadline : ListHook {
    Instant due;  // as linked
    // Who is asked when it fires; both set once by the owner.
    enum class Kind : uint8_t { Client, Server, Cancel, Peer, Lookup } kind = Kind::Client;
};

class DeadlineQueue {
  public:
    static constexpr int64_t kTickUs = 20'000;

    // Asks for a call at `due` or soon after; keeps an earlier one.
    void arm(Deadline& entry, Instant due) {
        if (entry.is_linked()) {
            if (entry.due <= due) return;
            disarm(entry);
        }
        // A time that has passed already is due at the next tick, not a turn of the wheel later.
        if (due.us < last_tick_ * kTickUs) due.us = last_tick_ * kTickUs;
        entry.due = due;
        slot(due).push_back(entry);
        ++armed_;
    }

    void disarm(Deadline& entry) {
        if (!entry.is_linked()) return;
        slot(entry.due).remove(entry);
        --armed_;
    }

    [[nodiscard]] bool empty() const { return armed_ == 0; }

    // Calls fire(Deadline&) for every entry that is due; the entry is already disarmed then.
    template <typename Fire>
    void expire(Instant now, Fire&& fire) {
        int64_t tick = now.us / kTickUs;
        if (last_tick_ == 0 || tick - last_tick_ > kSlots) last_tick_ = tick - kSlots;
        while (last_tick_ < tick && armed_ > 0) {
            ++last_tick_;
            expire_slot(wheel_[static_cast<size_t>(last_tick_) % kSlots], now, fire);
        }
        last_tick_ = tick;
    }

    // Milliseconds until the next tick is worth a look; -1 when nothing is armed.
    [[nodiscard]] int sleep_ms(Instant now) const {
        if (armed_ == 0) return -1;
        int64_t tick = now.us / kTickUs + 1;
        for (int64_t i = 0; i < kSlots; ++i, ++tick) {
            if (wheel_[static_cast<size_t>(tick) % kSlots].size() > 0) break;
        }
        return static_cast<int>((tick * kTickUs - now.us) / 1000 + 1);
    }

  private:
    static constexpr int64_t kSlots = 512;
    using List = IntrusiveList<Deadline, Deadline>;

    // The slot whose turn comes at the first tick at or after `due`.
    List& slot(Instant due) { return wheel_[static_cast<size_t>(due.us / kTickUs + 1) % kSlots]; }

    template <typename Fire>
    void expire_slot(List& list, Instant now, Fire& fire) {
        for (size_t left = list.size(); left > 0; --left) {
            Deadline* entry = list.pop_front();
            if (entry == nullptr) break;
            if (entry->due > now) {  // a later turn of the wheel
                list.push_back(*entry);
                continue;
            }
            --armed_;
            fire(*entry);
        }
    }

    std::array<List, kSlots> wheel_;
    size_t armed_ = 0;
    int64_t last_tick_ = 0;
};

}  // namespace weir
