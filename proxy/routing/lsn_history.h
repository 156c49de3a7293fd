// LsnHistory: where the primary's WAL was at the latest probes, to tell from a replica's position
// whether it shows a session's last write.
//
// A proxy learns no LSN of a commit without asking. But a probe that was sent after the commit had
// been confirmed reads an LSN that is not before the commit's: an upper bound. So a replica that
// has replayed as far shows the commit. (The newest LSN known at the commit is a lower bound: not
// safe.) The bound asks for the WAL as inserted or flushed; one that is only written out may lag
// behind a commit made with synchronous_commit = off.
//
// Observations are added in the order of their time. The oldest falls out when the ring is full:
// the bound for a commit before it then is a later one, still safe. When another server becomes
// primary its LSNs are another timeline's: clear(). Owner: one thread (a worker, or under its
// owner's lock).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "protocol/base/clock.h"

namespace weir {

class LsnHistory {
  public:
    static constexpr size_t kObservationsMax = 64;  // two minutes of probes

    // A probe sent at `sent_at` has read `lsn` from the primary. Ignored when it says nothing: no
    // LSN, or sent no later than the latest one.
    void observe(Instant sent_at, uint64_t lsn) {
        if (lsn == 0 || sent_at <= latest_at_) return;
        latest_at_ = sent_at;
        observations_[(first_ + size_) % kObservationsMax] = {sent_at, lsn};
        if (size_ < kObservationsMax) {
            ++size_;
        } else {
            first_ = (first_ + 1) % kObservationsMax;
        }
    }
    void clear() { *this = LsnHistory(); }

    // The least LSN known to cover what was committed by `committed_at`; empty = no probe since.
    // Within the same microsecond the order is not known, so that is not enough.
    [[nodiscard]] std::optional<uint64_t> covering(Instant committed_at) const {
        size_t low = 0;
        size_t high = size_;
        while (low < high) {
            const size_t middle = low + (high - low) / 2;
            if (at(middle).sent_at > committed_at) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        if (low == size_) return std::nullopt;
        return at(low).lsn;
    }

    [[nodiscard]] size_t size() const { return size_; }

  private:
    struct Observation {
        Instant sent_at;
        uint64_t lsn = 0;
    };
    [[nodiscard]] const Observation& at(size_t index) const {
        return observations_[(first_ + index) % kObservationsMax];
    }

    std::array<Observation, kObservationsMax> observations_{};
    size_t first_ = 0;
    size_t size_ = 0;
    Instant latest_at_;
};

}  // namespace weir
