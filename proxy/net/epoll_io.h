// EpollIo: the Io of production: one epoll set per worker, sockets, and nothing else.
// Owner: WorkerThread. Thread: the worker's; remove() any.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <vector>

#include "proxy/net/socket.h"
#include "proxy/runtime/io.h"

namespace weir {

class EpollIo final : public Io {
  public:
    explicit EpollIo(const SocketOptions& options);
    ~EpollIo() override;

    // Waits for events, at most `timeout_ms` (-1 = for ever); gives how many at() has.
    int wait(int timeout_ms);
    [[nodiscard]] IoEvent at(int index) const;
    // Watches a listening socket that several workers share: each connection wakes one of them.
    void add_listener(int fd, Watch watch);
    // Watches an alarm: reported once each time that it goes off.
    void add_alarm(int fd, Watch watch);
    void set_options(const SocketOptions& options) { options_ = options; }
    [[nodiscard]] const SocketOptions& options() const { return options_; }

    void add(int fd, Watch watch, bool read, bool write) override;
    void modify(int fd, Watch watch, bool read, bool write) override;
    void remove(int fd) override;
    ssize_t receive(int fd, std::span<uint8_t> into) override;
    ssize_t peek(int fd, std::span<uint8_t> into) override;
    ssize_t send(int fd, std::span<const iovec> pieces) override;
    Result<int> connect(const Address& address) override;
    int connect_result(int fd) override;
    Address local_address(int fd) override;
    bool is_same_user(int fd) override;
    int peer_pid(int fd) override;
    std::optional<uint32_t> peer_uid(int fd) override;
    bool is_peer_gone(int fd) override;
    size_t unsent_bytes(int fd) override;
    void shutdown_send(int fd) override;
    void close(int fd) override;

  private:
    static constexpr int kEventsMax = 256;

    void control(int operation, int fd, Watch watch, uint32_t events);

    const int epoll_fd_;
    SocketOptions options_;
    std::vector<epoll_event> events_;
};

}  // namespace weir
