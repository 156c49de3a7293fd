// DeafIo: an Io of which nothing is expected. A test derives its own and overrides what it is
// about.
#pragma once

#include <cerrno>

#include "proxy/runtime/io.h"

namespace weir {

class DeafIo : public Io {
  public:
    void add(int, Watch, Interest) override {}
    void modify(int, Watch, Interest) override {}
    void remove(int) override {}
    ssize_t receive(int, std::span<uint8_t>) override { return -EAGAIN; }
    ssize_t peek(int, std::span<uint8_t>) override { return -EAGAIN; }
    ssize_t send(int, std::span<const iovec>) override { return -EAGAIN; }
    Result<int> connect(const Address&) override { return 0; }
    int connect_result(int) override { return 0; }
    Address local_address(int) override { return {}; }
    bool is_same_user(int) override { return false; }
    int peer_pid(int) override { return 0; }
    std::optional<uint32_t> peer_uid(int) override { return std::nullopt; }
    bool is_peer_gone(int) override { return false; }
    size_t unsent_bytes(int) override { return 0; }
    void shutdown_send(int) override {}
    void close(int) override {}
};

}  // namespace weir
