// Counter: a count with a single writer, so plain loads and stores of a relaxed atomic; who shows
// it sums over the writers. Thread: written by one, read by any.
#pragma once

#include <atomic>
#include <cstdint>

namespace weir {

class Counter {
  public:
    void add(uint64_t n) {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    [[nodiscard]] uint64_t get() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<uint64_t> value_{0};
};

}  // namespace weir
