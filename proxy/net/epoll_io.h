// EpollIo: the Io of production: sockets, and the epoll set of the thread that drives the worker,
// which may change: see WorkerThread. Owner: WorkerHost. Thread: the worker's; remove() any.
#pragma once

#include <mutex>

#include "proxy/net/epoll_set.h"
#include "proxy/net/socket.h"
#include "proxy/net/watch_table.h"
#include "proxy/runtime/io.h"

namespace weir {

class EpollIo final : public Io {
  public:
    EpollIo(WorkerId worker, WatchTable& table, const SocketOptions& options)
        : worker_(worker), table_(table), options_(options) {}

    // All that is watched, and will be, is watched in `set`. Nothing is ready that was not, and
    // nothing is missed: what is ready by then is reported there.
    void enter(const EpollSet& set);
    // Nothing is watched until it enters another set.
    void leave();

    // Watches an alarm: reported once each time that it goes off.
    void add_alarm(int fd, Watch watch);
    // A listening socket that several workers share: each connection wakes one of them. To be
    // removed before leave().
    void add_listener(int fd, Watch watch);
    void remove_listener(int fd);
    void set_options(const SocketOptions& options) { options_ = options; }
    [[nodiscard]] const SocketOptions& options() const { return options_; }

    void add(int fd, Watch watch, Interest interest) override;
    void modify(int fd, Watch watch, Interest interest) override;
    void remove(int fd) override;
    void take(Io& from, int fd, Watch watch, Interest interest) override;
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
    // With the mutex held.
    void control(int operation, int fd, Watch watch, uint32_t events);
    void forget(int fd);

    const WorkerId worker_;
    WatchTable& table_;
    SocketOptions options_;
    std::mutex mutex_;  // guards what is below, and the worker's entries in the table
    int set_fd_ = -1;   // -1: in no set
};

}  // namespace weir
