// FoldRule: should one thread drive all workers, or each its own? Pure.
//
// One thread is cheaper while it is enough: on two cores that were full, two threads took 3 to 29 %
// more CPU time per transaction and had 0.86 to 1.0 of the throughput (bench/README.md). It is not
// enough when it wants to run all the time and a core stands idle; or when it is squeezed: so many
// want its core that it waits for half of the time, and several would get a larger share. On a
// machine that is merely full, several threads would only take from PostgreSQL what they get. Where
// many cores stand idle it need not be full: what it does is done sooner by several.
//
// Owner: WorkerFolding. Thread: the owner's.
#pragma once

#include "protocol/base/clock.h"

namespace weir {

// What the threads that drive workers did between two looks, as shares of that time; their sum,
// when there are several.
struct ThreadLoad {
    double running = 0;  // on a core
    double waiting = 0;  // ready to run, for a core

    [[nodiscard]] double wanted() const { return running + waiting; }
};

class FoldRule {
  public:
    static constexpr double kFull = 0.95;      // of one thread: it wants to run all the time
    static constexpr double kIdleCores = 0.5;  // enough for another thread
    static constexpr double kBusy = 0.75;      // of one thread: enough where there are ...
    static constexpr double kManyCores = 1.5;  // ... so many idle cores, or it is squeezed:
    static constexpr double kSqueezed = 0.5;   // it waits for so much of the time
    static constexpr double kCalm = 0.5;       // of all threads: one will do
    static constexpr int kFullLooks = 3;       // in a row, before it is believed
    static constexpr Duration kCalmTime = std::chrono::seconds(2);
    // Twice as long, up to this, when the last folding did not last as long as that.
    static constexpr Duration kCalmTimeMax = std::chrono::seconds(64);
    // Each connection is registered anew, about a microsecond each; more are not worth it.
    static constexpr int kClientsMax = 4096;

    // Whether idle cores matter to decide().
    [[nodiscard]] static bool asks_for_idle(bool is_folded, const ThreadLoad& load) {
        return is_folded && load.wanted() >= kBusy;
    }
    // Looks once; gives whether they are to be folded. `idle_cores`: how many, on average since the
    // last look, had nothing to do.
    bool decide(Instant now, bool is_folded, const ThreadLoad& load, double idle_cores,
                int clients);

  private:
    bool stays_folded(Instant now, const ThreadLoad& load, double idle_cores);
    bool is_calm(Instant now, const ThreadLoad& load, int clients);

    int full_looks_ = 0;
    Instant calm_since_;  // never: it is not
    Instant folded_at_;   // never: it has been from the start
    Duration calm_time_ = kCalmTime;
};

}  // namespace weir
