// Io: all that the traffic code asks of the operating system, per worker. Production has EpollIo;
// the simulator has one in memory with virtual time. Shaped as completions: the caller owns the
// buffers. Thread: the worker's own, except remove(), which a worker that takes over a connection
// calls on the Io of the worker that had it (epoll_ctl may be called from any thread).
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <optional>
#include <span>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "proxy/runtime/address.h"

namespace weir {

// What a readiness event is about: an object's address, its kind and the life of its slot that was
// meant.
struct Watch {
    enum class Kind : uint8_t { None, Listener, Client, Server, Cancel, Peer, Loop, Alarm };

    // `object` is 16-byte aligned and lives as long as its slab, that is, for ever.
    static Watch of(Kind kind, const void* object, uint32_t generation) {
        const uint64_t pointer = reinterpret_cast<uintptr_t>(object);
        return {(uint64_t{generation} & 0xffff) << 48 | pointer | static_cast<uint64_t>(kind)};
    }
    [[nodiscard]] Kind kind() const { return static_cast<Kind>(word & 0xf); }
    [[nodiscard]] uint16_t generation() const { return static_cast<uint16_t>(word >> 48); }
    template <typename T>
    [[nodiscard]] T* object() const {
        return reinterpret_cast<T*>(word & 0x0000fffffffffff0ULL);
    }

    uint64_t word = 0;
};

struct IoEvent {
    Watch watch;
    bool readable = false;  // bytes, end of stream or an error: a receive will tell
    bool writable = false;
    bool broken = false;  // reset, or closed in both directions; reported whatever the interest
    bool ended = false;   // behind the bytes may come the end: receive until it, or -EAGAIN
};

// What is to be reported of a descriptor.
struct Interest {
    bool read = false;
    bool write = false;
    // Cheaper, since the system need not look again after each event; counts while `write` is
    // false. What has arrived is reported once: after that only what arrives later, or all anew
    // when the descriptor is registered or its interest changed. A receive that gives less than it
    // could has taken everything, unless the event said `ended`. Whoever leaves something there has
    // to come back by himself.
    bool once = false;

    [[nodiscard]] bool is_once() const { return once && read && !write; }
};

class Io {
  public:
    virtual ~Io() = default;

    // Registers / changes / forgets a descriptor.
    virtual void add(int fd, Watch watch, Interest interest) = 0;
    virtual void modify(int fd, Watch watch, Interest interest) = 0;
    virtual void remove(int fd) = 0;
    // Registers what is registered with `from`, another worker's Io of the same kind, where it is
    // forgotten. What `from` has been told of may not be reported again.
    virtual void take(Io& from, int fd, Watch watch, Interest interest) {
        from.remove(fd);
        add(fd, watch, interest);
    }

    // Bytes received; 0 = end of stream; -errno otherwise (-EAGAIN: nothing there).
    virtual ssize_t receive(int fd, std::span<uint8_t> into) = 0;
    // As receive(), but leaves them there.
    virtual ssize_t peek(int fd, std::span<uint8_t> into) = 0;
    // Bytes sent, maybe fewer than offered; -errno otherwise (-EAGAIN: the peer's buffer is full).
    virtual ssize_t send(int fd, std::span<const iovec> pieces) = 0;

    // Begins to connect; the descriptor becomes writable when it is decided. Not registered yet.
    virtual Result<int> connect(const Address& address) = 0;
    // 0 when the connection stands, else errno.
    virtual int connect_result(int fd) = 0;
    // Our own end of a connection.
    virtual Address local_address(int fd) = 0;
    // The peer of a Unix socket runs as the same system user as we do; its process id (0 =
    // unknown).
    virtual bool is_same_user(int fd) = 0;
    virtual int peer_pid(int fd) = 0;
    // Its system user; nothing when the system does not tell.
    virtual std::optional<uint32_t> peer_uid(int fd) = 0;
    // For looking at a socket that is not being read or written, now and then: has the peer ended
    // its side, behind bytes that wait to be received? How many sent bytes has it not taken yet?
    virtual bool is_peer_gone(int fd) = 0;
    virtual size_t unsent_bytes(int fd) = 0;
    // No more will be sent; the peer sees the end of the stream behind the last byte.
    virtual void shutdown_send(int fd) = 0;
    // Closes the descriptor (which also forgets it).
    virtual void close(int fd) = 0;
};

}  // namespace weir
