// SampleRing: the samples of one worker on their way to the insight thread. A bounded ring of
// records as long as their texts: writing one is a copy, without a lock, an allocation, a system
// call or an atomic read-modify-write. The writer never waits: what does not fit is the caller's to
// drop. Thread: push() the worker's, drain() the insight thread's; counters any.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "proxy/insight/sample.h"
#include "proxy/stats/counters.h"

namespace weir {

class SampleRing {
  public:
    static constexpr size_t kBytes = 256 * 1024;

    // `bytes` is a power of two and holds several of the longest records.
    explicit SampleRing(size_t bytes = kBytes);

    // False: there is no room. Texts are cut to what a sample may have.
    bool push(const Sample& sample, const SampleTexts& texts);

    // Gives up to `most` samples, oldest first, to `visit(const Sample&, const SampleTexts&)`,
    // whose views end with the call; how many there were.
    template <typename Visit>
    size_t drain(size_t most, Visit&& visit) {
        size_t count = 0;
        uint64_t tail = tail_.load(std::memory_order_relaxed);
        const uint64_t head = head_.load(std::memory_order_acquire);
        while (tail != head && count < most) {
            Record record;
            tail = read(tail, record);
            if (record.is_gap) continue;
            visit(record.sample, record.texts);
            ++count;
        }
        tail_.store(tail, std::memory_order_release);
        return count;
    }

    Counter taken;    // samples written
    Counter dropped;  // samples for which there was no room

  private:
    struct Header {
        uint32_t bytes;  // of the whole record; a multiple of kAlign
        uint16_t text_bytes;
        uint8_t database_bytes, user_bytes, application_name_bytes;
        bool is_gap;  // only the rest of the buffer: the next record begins at its start
    };
    struct Record {
        bool is_gap = false;
        Sample sample;
        SampleTexts texts;
    };
    static constexpr size_t kAlign = 16;
    static_assert(sizeof(Header) <= kAlign);

    // What begins at `at`, and where the next one begins.
    uint64_t read(uint64_t at, Record& out) const;

    const size_t mask_;
    const std::unique_ptr<char[]> buffer_;
    alignas(64) std::atomic<uint64_t> head_{0};
    uint64_t known_tail_ = 0;  // the writer's: tail_ as it last saw it
    alignas(64) std::atomic<uint64_t> tail_{0};
};

}  // namespace weir
