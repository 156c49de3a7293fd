// Bytes that could not be used or sent yet. Empty most of the time and then owns no memory at all:
// thousands of idle clients must cost bytes, not buffers.
// Invariant: read_ <= bytes_.size(); consumed bytes are dropped when the queue runs empty or is
// half waste. Thread: that of the owner.
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/base/bytes.h"

namespace weir {

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

  private:
    void compact() {
        bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(read_));
        read_ = 0;
    }

    std::vector<uint8_t> bytes_;
    size_t read_ = 0;
};

}  // namespace weir
