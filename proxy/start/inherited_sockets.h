// Socket activation: listening sockets that the service manager has opened for us (the protocol of
// sd_listen_fds(3)). Thread: main, at start.
#pragma once

#include <vector>

namespace weir {

// Their descriptors; none when none are meant for this process. Asked once, before the process goes
// to the background: the variables of the environment that say so are removed.
std::vector<int> take_inherited_sockets();

}  // namespace weir
