// Daemon: the way to the background (-d). The process in the foreground lives until the one in the
// background serves or has failed, so that a start script can trust its exit code. Owner: main.
// Thread: main; go() while it is the only thread.
#pragma once

#include <string>

#include "protocol/base/result.h"

namespace weir {

class Daemon {
  public:
    Daemon() = default;
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    // When this returns we are another process, in a session of its own, with nothing on standard
    // input, output and error. The one that was called exits: 0 after ready(), 1 after failed().
    // Error when the system refuses.
    Status go();
    // Both do nothing in the foreground.
    void ready();
    // `text` is told on the standard error of the process in the foreground.
    void failed(const std::string& text);

  private:
    int to_foreground_ = -1;
};

}  // namespace weir
