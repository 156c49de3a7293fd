#include "proxy/net/output.h"

#include <cerrno>
#include <cstring>

namespace weir {

ssize_t Output::flush(Io& io, int fd, ByteQueue& backlog) {
    size_t total = overflow_.size();
    for (size_t i = 0; i < count_; ++i)
        total += pieces_[i].iov_len;
    if (count_ > 1 && total <= kJoinBytes && overflow_.empty()) join(total);
    size_t sent = 0;
    if (backlog.empty() && count_ > 0) {
        const ssize_t n = io.send(fd, {pieces_.data(), count_});
        if (n < 0 && n != -EAGAIN) {
            clear();
            return n;
        }
        sent = n < 0 ? 0 : static_cast<size_t>(n);
    }
    if (sent < total) {
        size_t skip = sent;
        for (size_t i = 0; i < count_; ++i) {
            const ByteView piece(static_cast<const uint8_t*>(pieces_[i].iov_base),
                                 pieces_[i].iov_len);
            const size_t here = skip < piece.size() ? skip : piece.size();
            backlog.append(piece.subspan(here));
            skip -= here;
        }
        backlog.append(overflow_.view());
        if (sent + overflow_.size() == total) {  // the socket is not full, only our pieces ran out
            if (const int error = flush_backlog(io, fd, backlog); error < 0) {
                clear();
                return error;
            }
        }
    }
    clear();
    return static_cast<ssize_t>(total);
}

void Output::join(size_t total) {
    uint8_t* at = joined_.get();
    for (size_t i = 0; i < count_; ++i) {
        std::memcpy(at, pieces_[i].iov_base, pieces_[i].iov_len);
        at += pieces_[i].iov_len;
    }
    pieces_[0] = {joined_.get(), total};
    count_ = 1;
}

int flush_backlog(Io& io, int fd, ByteQueue& backlog) {
    while (!backlog.empty()) {
        const ByteView view = backlog.view();
        const iovec piece{const_cast<uint8_t*>(view.data()), view.size()};
        const ssize_t n = io.send(fd, {&piece, 1});
        if (n == -EAGAIN) return 0;
        if (n < 0) return static_cast<int>(n);
        backlog.consume(static_cast<size_t>(n));
    }
    return 0;
}

}  // namespace weir
