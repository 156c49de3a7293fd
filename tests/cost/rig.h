// Rig: the whole product (control thread, workers, real sockets on loopback) in this process,
// between a server and clients that cost it nothing to speak of: canned answers, requests made
// beforehand. Thread: the test's; the server and the product have threads of their own.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "conf/config.h"

namespace weir {
class Control;
}

namespace weir::cost {

// What it answers: a Query that begins with `stream` with kStreamRows rows of kStreamRowBytes, one
// that begins with `copy` as COPY FROM STDIN, BEGIN and COMMIT as such, all others with one row.
class InstantServer {
  public:
    static constexpr size_t kStreamRows = 200'000;
    static constexpr size_t kStreamRowBytes = 1024;

    InstantServer();
    ~InstantServer();
    [[nodiscard]] uint16_t port() const { return port_; }

  private:
    void run();

    int listener_ = -1;
    uint16_t port_ = 0;
    std::atomic<bool> is_stopping_{false};
    std::thread thread_;
    std::vector<std::thread> serving_;  // one for each connection, by run()
    std::vector<int> sockets_;
};

class Client {
  public:
    // Connects and logs in.
    explicit Client(uint16_t port);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void send(std::string_view messages);
    // Reads on until `count` messages of type `tag` have come ('Z': ReadyForQuery); an
    // ErrorResponse throws. Gives the bytes read.
    size_t read_until(char tag, int count = 1);
    void run(std::string_view messages) {
        send(messages);
        read_until('Z');
    }

  private:
    int fd_ = -1;
    std::vector<char> buffer_ = std::vector<char>(256 * 1024);
    size_t begin_ = 0, end_ = 0;
    size_t skip_ = 0;  // of a message that is passing
};

struct RigPlan {
    int workers = 1;
    bool are_folded = false;
    int pool_size = 1;
    bool has_rate_limits = false;  // that every client is within
};

class Rig {
  public:
    explicit Rig(const RigPlan& plan);
    ~Rig();
    std::unique_ptr<Client> client() { return std::make_unique<Client>(port_); }
    std::vector<std::unique_ptr<Client>> clients(int count);

  private:
    void run(const ConfigPtr& config);

    InstantServer server_;
    uint16_t port_ = 0;
    std::atomic<bool> is_listening_{false};
    std::atomic<bool> is_stopping_{false};
    std::thread thread_;
};

// Requests.
std::string simple(std::string_view sql);
// Parse (unnamed), Bind, Describe, Execute, Sync.
std::string extended(std::string_view sql);
std::string prepare(std::string_view name, std::string_view sql);
// Bind, Describe, Execute, Sync.
std::string prepared(std::string_view name);

}  // namespace weir::cost
