// PoolHistograms: how long things took for one pool, as one worker has seen it. They are made when
// the worker first lends one of its connections: of thousands of pools, only those that are used
// take the memory (1.5 kB for each worker that uses them).
//
// Owner: PoolCounters. Thread: made and written by one worker, read by any.
#pragma once

#include <atomic>
#include <memory>

#include "protocol/base/histogram.h"

namespace weir {

struct PoolHistograms {
    Histogram wait;         // from asking for a server to having it; also of who had it at once
    Histogram query;        // as avg_query_time
    Histogram transaction;  // as avg_xact_time
    Histogram hold;         // a server was with one client
};

// The same, summed.
struct PoolHistogramTotals {
    HistogramTotals wait, query, transaction, hold;

    void add(const PoolHistograms& more) {
        wait.add(more.wait);
        query.add(more.query);
        transaction.add(more.transaction);
        hold.add(more.hold);
    }
    void add(const PoolHistogramTotals& more) {
        wait.add(more.wait);
        query.add(more.query);
        transaction.add(more.transaction);
        hold.add(more.hold);
    }
};

class LazyPoolHistograms {
  public:
    LazyPoolHistograms() = default;
    ~LazyPoolHistograms() { delete made_.load(std::memory_order_relaxed); }
    LazyPoolHistograms(const LazyPoolHistograms&) = delete;
    LazyPoolHistograms& operator=(const LazyPoolHistograms&) = delete;

    // The writer's.
    PoolHistograms& get() {
        PoolHistograms* made = made_.load(std::memory_order_relaxed);
        if (made == nullptr) {
            made = std::make_unique<PoolHistograms>().release();
            made_.store(made, std::memory_order_release);
        }
        return *made;
    }
    // Null: nothing was recorded.
    [[nodiscard]] const PoolHistograms* find() const {
        return made_.load(std::memory_order_acquire);
    }

  private:
    std::atomic<PoolHistograms*> made_{nullptr};
};

}  // namespace weir
