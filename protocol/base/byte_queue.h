// Bytes that could not be used or sent yet. Empty most of the time and then owns no memory at all:
// thousands of idle clients must cost bytes, not buffers.
// Invariant: read_ <= bytes_.size(); consumed bytes are dropped when the queue runs empty or is
// half waste. Thread: that of the owner.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "protocol/base/bytes.h"

namespace weir {

// Memory of queues that ran empty, kept for the next that needs some: what a client sends while it
// waits for a server costs no allocation then. Owner: a worker.
class SpareBytes {
  public:
    std::vector<uint8_t> take() {
        std::vector<uint8_t> out;
        if (spares_.empty()) {
            out.reserve(kFirstBytes);
        } else {
            out.swap(spares_.back());
            spares_.pop_back();
            bytes_ -= out.capacity();
        }
        return out;
    }
    void give(std::vector<uint8_t> bytes) {
        const size_t capacity = bytes.capacity();
        if (capacity == 0 || capacity > kOneMax || bytes_ + capacity > kBytesMax) return;
        bytes.clear();
        bytes_ += capacity;
        spares_.push_back(std::move(bytes));
    }
    // Heap bytes kept.
    [[nodiscard]] size_t bytes() const { return bytes_; }

  private:
    static constexpr size_t kFirstBytes = 256;
    static constexpr size_t kOneMax = 4096;  // a rare long one must not stay for ever
    static constexpr size_t kBytesMax = 512 * 1024;

    std::vector<std::vector<uint8_t>> spares_;
    size_t bytes_ = 0;
};

class ByteQueue {
  public:
    [[nodiscard]] bool empty() const { return read_ == bytes_.size(); }
    [[nodiscard]] size_t size() const { return bytes_.size() - read_; }
    [[nodiscard]] ByteView view() const { return ByteView(bytes_).subspan(read_); }
    // Heap bytes held, for SHOW MEM.
    [[nodiscard]] size_t capacity() const { return bytes_.capacity(); }

    void append(ByteView more) {
        if (more.empty()) return;
        if (read_ > 0 && read_ >= bytes_.size() / 2) compact();
        bytes_.insert(bytes_.end(), more.begin(), more.end());
    }

    // Drops the first n bytes; frees the memory when nothing is left.
    void consume(size_t n) {
        read_ += n;
        if (read_ >= bytes_.size()) clear();
    }

    void clear() {
        read_ = 0;
        if (bytes_.capacity() > 0) std::vector<uint8_t>().swap(bytes_);
    }

    // The same by way of `spares`, for queues that fill and run empty all the time.
    void append(ByteView more, SpareBytes& spares) {
        if (bytes_.capacity() == 0 && !more.empty()) bytes_ = spares.take();
        append(more);
    }
    void clear(SpareBytes& spares) {
        read_ = 0;
        spares.give(std::move(bytes_));
        bytes_ = {};
    }

  private:
    void compact() {
        bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(read_));
        read_ = 0;
    }

    std::vector<uint8_t> bytes_;
    size_t read_ = 0;
};

}  // namespace weir
