// Slots that are never freed, only given a new generation, so that a stale {slot, generation} can
// always be checked without touching freed memory. Grows by chunks; addresses are stable. Thread:
// that of the owner.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "protocol/base/check.h"

namespace weir {

// T has members `uint32_t slot` and `uint32_t generation`, and is default-constructible.
template <typename T>
class Slab {
  public:
    // Takes a free slot or makes one; its generation is new and never zero.
    T& take() {
        if (free_.empty()) grow();
        T& item = *at(free_.back());
        free_.pop_back();
        if (++item.generation == 0) item.generation = 1;
        ++in_use_;
        return item;
    }

    // Gives the slot back. Its generation changes at once, so later messages for it are stale.
    void give_back(T& item) {
        if (++item.generation == 0) item.generation = 1;
        free_.push_back(item.slot);
        WEIR_CHECK(in_use_ > 0);
        --in_use_;
    }

    // The slot's item when `generation` is the current life, else null.
    T* find(uint32_t slot, uint32_t generation) {
        if (slot >= capacity()) return nullptr;
        T* item = at(slot);
        return item->generation == generation ? item : nullptr;
    }

    T* at(uint32_t slot) { return &chunks_[slot / kChunk][slot % kChunk]; }
    [[nodiscard]] uint32_t capacity() const {
        return static_cast<uint32_t>(chunks_.size() * kChunk);
    }
    [[nodiscard]] uint32_t in_use() const { return in_use_; }

  private:
    static constexpr uint32_t kChunk = 64;

    void grow() {
        const uint32_t first = capacity();
        chunks_.push_back(std::make_unique<T[]>(kChunk));
        for (uint32_t i = kChunk; i-- > 0;) {
            at(first + i)->slot = first + i;
            free_.push_back(first + i);
        }
    }

    std::vector<std::unique_ptr<T[]>> chunks_;
    std::vector<uint32_t> free_;
    uint32_t in_use_ = 0;
};

}  // namespace weir
