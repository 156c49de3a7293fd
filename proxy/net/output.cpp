#include "proxy/net/output.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace weir {

size_t Output::size() const {
    size_t total = overflow_.size();
    for (size_t i = 0; i < count_; ++i)
        total += pieces_[i].iov_len;
    return total;
}

void Output::move_to(std::span<uint8_t> place) {
    std::ranges::copy(overflow_.view(), gather(place.data()));
    clear();
}

ssize_t Output::flush(const Channel& to, ByteQueue& backlog) {
    const size_t total = size();
    size_t sent = 0;
    if (backlog.empty() && count_ > 0) {
        ssize_t n = 0;
        if (to.tls != nullptr) [[unlikely]] {
            n = send_records(*to.tls);
        } else {
            if (count_ > 1 && total <= kJoinBytes && overflow_.empty()) join(total);
            n = to.io.send(to.fd, {pieces_.data(), count_});
        }
        if (n < 0 && n != -EAGAIN) {
            clear();
            return n;
        }
        sent = n < 0 ? 0 : static_cast<size_t>(n);
    }
    if (sent < total) {
        keep_from(sent, backlog);
        if (sent + overflow_.size() == total) {  // the socket is not full, only our pieces ran out
            if (const int error = flush_backlog(to, backlog); error < 0) {
                clear();
                return error;
            }
        }
    }
    clear();
    return static_cast<ssize_t>(total);
}

void Output::keep_from(size_t sent, ByteQueue& backlog) const {
    size_t skip = sent;
    for (size_t i = 0; i < count_; ++i) {
        const ByteView piece(static_cast<const uint8_t*>(pieces_[i].iov_base), pieces_[i].iov_len);
        const size_t here = std::min(skip, piece.size());
        backlog.append(piece.subspan(here));
        skip -= here;
    }
    backlog.append(overflow_.view());
}

// Copies the pieces; gives the place behind them.
uint8_t* Output::gather(uint8_t* at) const {
    for (size_t i = 0; i < count_; ++i) {
        std::memcpy(at, pieces_[i].iov_base, pieces_[i].iov_len);
        at += pieces_[i].iov_len;
    }
    return at;
}

void Output::join(size_t total) {
    gather(joined_.get());
    pieces_[0] = {joined_.get(), total};
    count_ = 1;
}

// The pieces, in records that are full but for the last: from where they are when a piece fills
// one, else put together. Bytes taken; -errno when none were.
ssize_t Output::send_records(TlsStream& to) {
    size_t sent = 0;
    size_t piece = 0;
    size_t offset = 0;  // in the piece
    while (piece < count_) {
        const ByteView rest =
            ByteView(static_cast<const uint8_t*>(pieces_[piece].iov_base), pieces_[piece].iov_len)
                .subspan(offset);
        ByteView record = rest.first(std::min(rest.size(), kRecordBytes));
        if (record.size() < kRecordBytes && piece + 1 < count_) {
            size_t filled = 0;
            size_t skip = offset;
            for (size_t i = piece; i < count_ && filled < kRecordBytes; ++i) {
                const size_t bytes = std::min(pieces_[i].iov_len - skip, kRecordBytes - filled);
                std::memcpy(joined_.get() + filled,
                            static_cast<const uint8_t*>(pieces_[i].iov_base) + skip, bytes);
                filled += bytes;
                skip = 0;
            }
            record = {joined_.get(), filled};
        }
        const ssize_t n = to.write(record);
        if (n < 0) return sent > 0 && n == -EAGAIN ? static_cast<ssize_t>(sent) : n;
        sent += static_cast<size_t>(n);
        offset += static_cast<size_t>(n);
        while (piece < count_ && offset >= pieces_[piece].iov_len)
            offset -= pieces_[piece++].iov_len;
    }
    return static_cast<ssize_t>(sent);
}

int flush_backlog(const Channel& to, ByteQueue& backlog) {
    while (!backlog.empty()) {
        const ssize_t n = to.send(backlog.view());
        if (n == -EAGAIN) return 0;
        if (n < 0) return static_cast<int>(n);
        backlog.consume(static_cast<size_t>(n));
    }
    return 0;
}

}  // namespace weir
