// Taker: the new process's side of a take-over (channel.h has the conversation). Blocks: nobody is
// served yet. Owner: main. Thread: main.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "proxy/takeover/channel.h"
#include "proxy/takeover/state.h"

namespace weir {

class Taker {
  public:
    // Asks the process that listens on the Unix socket `path`. An error is one of its own (it is
    // too old, another is taking over), or that it does not answer; it goes on as before.
    static Result<std::unique_ptr<Taker>> connect(const std::string& path);

    // Has everything sent. The other process stands still from now on until commit() or our end.
    Result<HandedWorld> receive();
    // Everything is adopted. When this succeeds, it is ours; when it fails, the process is to end
    // without having touched any of it. `pidfile` is ours from then on.
    Status commit(const std::string& pidfile);

    // After commit(): the conversation goes on there.
    // What has come behind the last word is in it already.
    [[nodiscard]] std::unique_ptr<HandoverChannel> release() { return std::move(channel_); }

  private:
    explicit Taker(int fd) : channel_(std::make_unique<HandoverChannel>(fd)) {}
    Status log_in();
    Status ask();

    std::unique_ptr<HandoverChannel> channel_;
};

}  // namespace weir
