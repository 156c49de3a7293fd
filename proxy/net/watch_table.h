// WatchTable: which descriptor is watched by which worker, and for what; so that all that a worker
// watches can be moved into another epoll set. One table for all workers, by descriptor, because a
// descriptor is never watched by two. An entry is written and read under the mutex of the EpollIo
// that has it; its owner may be read by anybody.
// Owner: WorkerGroup. Thread: any, as said.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "protocol/base/check.h"
#include "protocol/base/ids.h"

namespace weir {

class WatchTable {
  public:
    struct Entry {
        std::atomic<uint64_t> word{0};    // of the Watch
        std::atomic<uint32_t> events{0};  // of epoll_ctl(2)
        std::atomic<WorkerId> owner{kNoWorker};
    };

    WatchTable() = default;
    ~WatchTable() {
        for (const auto& chunk : chunks_)
            delete[] chunk.load(std::memory_order_relaxed);
    }
    WatchTable(const WatchTable&) = delete;
    WatchTable& operator=(const WatchTable&) = delete;

    [[nodiscard]] Entry& at(int fd) {
        const auto index = static_cast<size_t>(fd);
        WEIR_CHECK(index < kChunks * kChunk);
        std::atomic<Entry*>& place = chunks_[index / kChunk];
        Entry* chunk = place.load(std::memory_order_acquire);
        if (chunk == nullptr) chunk = grow(place);
        return chunk[index % kChunk];
    }

    // Calls fn(int fd, Entry&) for all that are `owner`'s; under the mutex of its EpollIo.
    template <typename Fn>
    void for_each_of(WorkerId owner, Fn&& fn) {
        for (size_t i = 0; i < kChunks; ++i) {
            Entry* chunk = chunks_[i].load(std::memory_order_acquire);
            for (size_t k = 0; chunk != nullptr && k < kChunk; ++k) {
                if (chunk[k].owner.load(std::memory_order_relaxed) == owner)
                    fn(static_cast<int>(i * kChunk + k), chunk[k]);
            }
        }
    }

  private:
    static constexpr size_t kChunk = 1024;
    static constexpr size_t kChunks = 4096;  // four million descriptors; made when first needed

    static Entry* grow(std::atomic<Entry*>& place) {
        auto made = std::make_unique<Entry[]>(kChunk);
        Entry* found = nullptr;
        if (place.compare_exchange_strong(found, made.get(), std::memory_order_acq_rel))
            return made.release();
        return found;  // somebody else was faster
    }

    std::array<std::atomic<Entry*>, kChunks> chunks_{};
};

}  // namespace weir
