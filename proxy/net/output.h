// Output: gathers what one batch of work wants to send to one socket and sends it with one system
// call. Spans are referenced, not copied, so they must stay valid until flush(); short pieces that
// we make up go to a scratch area. A worker has one for the direction it is working on. Thread: the
// worker's.
#pragma once

#include <sys/uio.h>

#include <array>
#include <memory>
#include <span>
#include <string_view>

#include "protocol/base/byte_queue.h"
#include "protocol/base/bytes.h"
#include "proxy/net/channel.h"
#include "proxy/runtime/io.h"

namespace weir {

class Output {
  public:
    // References `bytes`; joined with the piece before when they touch in memory.
    void append(ByteView bytes) {
        if (bytes.empty()) return;
        if (count_ > 0) {
            iovec& last = pieces_[count_ - 1];
            if (static_cast<const uint8_t*>(last.iov_base) + last.iov_len == bytes.data()) {
                last.iov_len += bytes.size();
                return;
            }
        }
        if (count_ == kPieces) {
            overflow_.append(bytes);
            return;
        }
        if (!overflow_.empty()) {
            overflow_.append(bytes);
            return;
        }
        pieces_[count_++] = {const_cast<uint8_t*>(bytes.data()), bytes.size()};
    }

    // Copies `text` to the scratch area first.
    void append_copy(std::string_view text) {
        if (!overflow_.empty() || scratch_used_ + text.size() > kScratchBytes) {
            overflow_.append(as_bytes(text));
            return;
        }
        uint8_t* at = scratch_.get() + scratch_used_;
        std::memcpy(at, text.data(), text.size());
        scratch_used_ += text.size();
        append({at, text.size()});
    }

    [[nodiscard]] bool empty() const { return count_ == 0 && overflow_.empty(); }
    [[nodiscard]] size_t size() const;

    // Sends what was gathered behind what `backlog` still holds; what the channel does not take
    // goes to `backlog`. Gives bytes accepted (sent or kept), or -errno when the connection is
    // broken. Resets itself.
    ssize_t flush(const Channel& to, ByteQueue& backlog);

    // Copies everything gathered, size() bytes, to `place`. Resets itself.
    void move_to(std::span<uint8_t> place);

    // Forgets everything gathered.
    void clear() {
        count_ = 0;
        scratch_used_ = 0;
        overflow_.clear();
    }

  private:
    static constexpr size_t kPieces = 64;
    static constexpr size_t kScratchBytes = 64 * 1024;

    // Few bytes in many pieces cost more to gather in the kernel than to copy here.
    static constexpr size_t kJoinBytes = 4 * 1024;
    // With TLS each piece would be a record, so what does not fill one is put together.
    static constexpr size_t kRecordBytes = 16 * 1024;

    uint8_t* gather(uint8_t* at) const;
    void join(size_t total);
    ssize_t send_records(TlsStream& to);
    void keep_from(size_t sent, ByteQueue& backlog) const;

    std::array<iovec, kPieces> pieces_;
    size_t count_ = 0;
    std::unique_ptr<uint8_t[]> scratch_ = std::make_unique<uint8_t[]>(kScratchBytes);
    size_t scratch_used_ = 0;
    std::unique_ptr<uint8_t[]> joined_ = std::make_unique<uint8_t[]>(kRecordBytes);
    ByteQueue overflow_;  // only when a batch has more pieces than fit
};

// Sends from `backlog` until it is empty or the channel is full. 0, or -errno when broken.
int flush_backlog(const Channel& to, ByteQueue& backlog);

}  // namespace weir
