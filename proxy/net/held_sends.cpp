#include "proxy/net/held_sends.h"

namespace weir {

ssize_t HeldSends::flush(Output& output, const Channel& to, ByteQueue& backlog, Watch owner,
                         bool may_wait) {
    settle(to.fd);
    const size_t bytes = output.size();
    may_wait = may_wait && is_holding_ && to.tls == nullptr && backlog.empty();
    if (!may_wait || bytes > kShortBytes) return output.flush(to, backlog);
    if (count_ == kSends) send_all();
    output.move_to({bytes_of(count_), bytes});
    sends_[count_++] = {to.fd, bytes, &backlog, owner};
    return static_cast<ssize_t>(bytes);
}

void HeldSends::send_held() {
    for (size_t i = 0; i < count_; ++i) {
        const Send& send = sends_[i];
        const iovec piece{bytes_of(i), send.bytes};
        const ssize_t n = io_.send(send.fd, {&piece, 1});
        const size_t sent = n < 0 ? 0 : static_cast<size_t>(n);
        if (sent == send.bytes) [[likely]]
            continue;
        send.backlog->append({bytes_of(i) + sent, send.bytes - sent});
        cut_short_.push_back(send.owner);
    }
    count_ = 0;
}

}  // namespace weir
