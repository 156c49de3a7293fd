// Descriptor: a duplicate of another descriptor, closed with its last owner; and what it takes to
// pass one to another process over a Unix socket (SHOW FDS). Thread: any.
#pragma once

#include <sys/types.h>

#include <deque>
#include <memory>
#include <vector>

#include "protocol/base/byte_queue.h"
#include "protocol/base/bytes.h"

namespace weir {

class Descriptor {
  public:
    // Null when there is no room for one more.
    static std::shared_ptr<const Descriptor> duplicate(int fd);
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor();
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    [[nodiscard]] int fd() const { return fd_; }

  private:
    const int fd_;
};

// A descriptor that goes along with bytes that are to be sent, from the byte at `at` on.
struct AttachedDescriptor {
    size_t at = 0;
    std::shared_ptr<const Descriptor> descriptor;
};

// Those that go along with what is in an outbox. Each is passed with a send of its own, which ends
// before the next. Owner: the session. Thread: its worker's.
class DescriptorQueue {
  public:
    // They belong to bytes that were put into `outbox` behind the first `held`.
    void add(size_t held, std::vector<AttachedDescriptor> more);
    [[nodiscard]] bool empty() const { return queue_.empty(); }
    // Sends from `outbox` until it is empty or the socket is full. 0, or -errno when broken.
    int flush(int socket, ByteQueue& outbox);

  private:
    std::deque<AttachedDescriptor> queue_;  // `at` counts from the beginning of the outbox
};

}  // namespace weir
