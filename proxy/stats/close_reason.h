// CloseReason: the kinds of reasons why connections to servers are closed. The reason itself is a
// sentence of the log, and there are many of them; what is counted is its kind. Pure. Thread: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir {

enum class CloseReason : uint8_t {
    Unused,    // nobody needed it: server_idle_timeout, a pool that shrinks
    Lifetime,  // server_lifetime
    Replaced,  // what it led to is another by now: RELOAD, RECONNECT, DNS, a promotion, DRAIN
    Evicted,   // its unit of a limit was needed elsewhere
    Paused,    // PAUSE
    Client,    // its client went in the middle of something, or it was that client's alone
    Server,    // the server ended it, or said what it must not
    Cleanup,   // it could not be made fit for the next client, or did not pass its check
    Shutdown,  // the process ends
    Other,
    kCount,
};
constexpr size_t kCloseReasons = static_cast<size_t>(CloseReason::kCount);

// Of the sentence in the log behind "closing because: ".
[[nodiscard]] CloseReason classify_close(std::string_view reason);
// "unused", as metrics say it.
[[nodiscard]] std::string_view to_text(CloseReason reason);

}  // namespace weir
