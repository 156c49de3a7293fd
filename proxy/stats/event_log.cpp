#include "proxy/stats/event_log.h"

#include <utility>

namespace weir {

const char* to_string(ProcessEvent::Kind kind) {
    switch (kind) {
        case ProcessEvent::Kind::Process: return "process";
        case ProcessEvent::Kind::Signal: return "signal";
        case ProcessEvent::Kind::Reload: return "reload";
        case ProcessEvent::Kind::Database: return "database";
        case ProcessEvent::Kind::Backend: return "backend";
        case ProcessEvent::Kind::Role: return "role";
        case ProcessEvent::Kind::Breaker: return "breaker";
        case ProcessEvent::Kind::Notice: return "notice";
        case ProcessEvent::Kind::Takeover: return "takeover";
        case ProcessEvent::Kind::Listener: return "listener";
        case ProcessEvent::Kind::Dns: return "dns";
        case ProcessEvent::Kind::Leak: return "leak";
        case ProcessEvent::Kind::Login: return "login";
    }
    return "unknown";  // uncovered: every enumerator is above
}

void EventLog::add(ProcessEvent event) {
    if (event.detail.size() > kTextBytesMax) {
        event.detail.resize(kTextBytesMax);
        event.detail += "...";
    }
    if (events_.size() == kEventsMax) events_.pop_front();
    events_.push_back(std::move(event));
    if (listener_) listener_(events_.back());
}

}  // namespace weir
