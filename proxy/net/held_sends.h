// HeldSends: the short sends of a batch of events leave together, a few at a time. In the kernel a
// receive and a send push each other's code and data out of the processor's caches: receives in a
// row, and then their sends, cost 3 to 4 % less CPU than the two in turns (bench/README.md), and
// the peers are woken for more at once. So a message may wait while the next few events are
// handled, never for one that has yet to come, nor for a log-in (a handshake, a hash:
// milliseconds).
//
// The bytes are copied here, and count as sent. Whoever does anything with the descriptor that must
// come behind them, gives it away or closes it, calls settle() first. Owner: WorkerContext. Thread:
// the worker's.
#pragma once

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "protocol/base/byte_queue.h"
#include "proxy/net/channel.h"
#include "proxy/net/output.h"
#include "proxy/runtime/io.h"

namespace weir {

class HeldSends {
  public:
    explicit HeldSends(Io& io) : io_(io) {}

    // From now on short sends are held, until release().
    void hold() { is_holding_ = true; }
    // Sends all that is held, oldest first: before work that may take long.
    void send_all() {
        if (count_ > 0) send_held();
    }
    // The same; from now on nothing is held.
    void release() {
        is_holding_ = false;
        send_all();
    }

    // As output.flush(to, backlog), behind what is held for the same descriptor; or holds it, if
    // that is wanted now and `may_wait`. `owner` has the backlog: it is who take_cut_short() names.
    ssize_t flush(Output& output, const Channel& to, ByteQueue& backlog, Watch owner,
                  bool may_wait);

    // What is held for `fd` is sent now.
    void settle(int fd) {
        for (size_t i = 0; i < count_; ++i)
            if (sends_[i].fd == fd) return send_all();
    }

    // The owners of held bytes that their socket did not take, full or broken as it was: the rest
    // is in their backlog, to be sent when there is room, which tells of an error as well. Some may
    // have gone since. Each is named once.
    [[nodiscard]] bool has_cut_short() const { return !cut_short_.empty(); }
    std::vector<Watch> take_cut_short() { return std::exchange(cut_short_, {}); }

  private:
    struct Send {
        int fd;
        size_t bytes;
        ByteQueue* backlog;
        Watch owner;
    };

    static constexpr size_t kSends = 16;
    // What is longer costs enough by itself, and to copy.
    static constexpr size_t kShortBytes = 1024;

    [[nodiscard]] uint8_t* bytes_of(size_t send) { return bytes_.get() + send * kShortBytes; }
    void send_held();

    Io& io_;
    bool is_holding_ = false;
    std::array<Send, kSends> sends_;
    size_t count_ = 0;
    std::unique_ptr<uint8_t[]> bytes_ = std::make_unique<uint8_t[]>(kSends * kShortBytes);
    std::vector<Watch> cut_short_;
};

}  // namespace weir
