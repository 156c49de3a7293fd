// Listeners: the listening sockets of the process and the files of the Unix ones. Workers accept
// from them. Owner: Control. Thread: control.
#pragma once

#include <string>
#include <vector>

#include "conf/config.h"
#include "protocol/base/result.h"

namespace weir {

class Listeners {
  public:
    Listeners() = default;
    ~Listeners() { close(); }
    Listeners(const Listeners&) = delete;
    Listeners& operator=(const Listeners&) = delete;

    // Opens them all. A TCP address that cannot be had is a warning, unless there is nothing else;
    // the error says which address and why.
    Status open(const GlobalConfig& global);
    // Closes them and removes their files; no worker may be looking at them any more.
    void close();
    [[nodiscard]] const std::vector<int>& fds() const { return fds_; }

  private:
    std::vector<int> fds_;
    std::vector<std::string> files_;
};

}  // namespace weir
