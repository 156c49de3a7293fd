#include "proxy/stats/close_reason.h"

#include <iterator>

namespace weir {

namespace {

struct Kind {
    std::string_view beginning;
    CloseReason reason;
};

constexpr Kind kKinds[] = {
    {"server idle timeout", CloseReason::Unused},
    {"server is no longer needed", CloseReason::Unused},
    {"server lifetime over", CloseReason::Lifetime},
    {"close_needed", CloseReason::Replaced},
    {"database configuration changed", CloseReason::Replaced},
    {"database removed", CloseReason::Replaced},
    {"TLS configuration changed", CloseReason::Replaced},
    {"backend is out of service", CloseReason::Replaced},
    {"is of before the promotion", CloseReason::Replaced},
    {"says that it is a hot standby", CloseReason::Replaced},
    {"server DNS", CloseReason::Replaced},
    {"evicted", CloseReason::Evicted},
    {"pause mode", CloseReason::Paused},
    {"client disconnect", CloseReason::Client},
    {"replication client", CloseReason::Client},
    {"nobody waits for its auth_query", CloseReason::Client},
    {"server conn crashed?", CloseReason::Server},
    {"TLS connection broken", CloseReason::Server},
    {"server sent something unexpected", CloseReason::Server},
    {"server stopped in the middle", CloseReason::Server},
    {"invalid message from server", CloseReason::Server},
    {"unexpected message from server", CloseReason::Server},
    {"reset query failed", CloseReason::Cleanup},
    {"connect_query failed", CloseReason::Cleanup},
    {"server check failed", CloseReason::Cleanup},
    {"server could not be cleaned", CloseReason::Cleanup},
    {"server is not clean", CloseReason::Cleanup},
    {"cancel request did not end", CloseReason::Cleanup},
    {"could not be made fresh", CloseReason::Cleanup},
    {"auth_query left", CloseReason::Cleanup},
    {"shutting down", CloseReason::Shutdown},
};

constexpr std::string_view kTexts[] = {"unused", "lifetime", "replaced", "evicted",  "paused",
                                       "client", "server",   "cleanup",  "shutdown", "_other"};
static_assert(std::size(kTexts) == kCloseReasons);

}  // namespace

CloseReason classify_close(std::string_view reason) {
    for (const Kind& kind : kKinds) {
        if (reason.starts_with(kind.beginning)) return kind.reason;
    }
    return CloseReason::Other;
}

std::string_view to_text(CloseReason reason) {
    return kTexts[static_cast<size_t>(reason)];
}

}  // namespace weir
