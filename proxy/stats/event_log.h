// EventLog: the last transitions of this process, for SHOW EVENTS: what changed, when and why. Only
// transitions: nothing that happens with each client or query. Whoever sees one on another thread
// posts it (ControlMessage::Kind::Event).
//
// Owner: ControlContext. Thread: control; ProcessEvent is a value.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "protocol/base/clock.h"

namespace weir {

struct ProcessEvent {
    enum class Kind : uint8_t {
        Process,  // start and end
        Signal,
        Reload,    // another configuration: RELOAD, SET, ADD and REMOVE BACKEND
        Database,  // PAUSE, RESUME, KILL, DISABLE, SUSPEND ...
        Backend,   // state of a server
        Role,      // its role: failovers
        Breaker,
        Notice,  // of health
        Takeover,
        Listener,
        Dns,
        Leak,
        Login,  // lock-outs
    };
    Kind kind = Kind::Notice;
    Instant at;
    std::string subject;  // which database, backend, file ...; empty = all of it
    std::string event;    // what became of it, a word or two
    std::string detail;   // why; no secret, no literal of a query
};
const char* to_string(ProcessEvent::Kind kind);

class EventLog {
  public:
    static constexpr size_t kEventsMax = 1000;
    static constexpr size_t kTextBytesMax = 2000;  // of a detail; what is longer is cut

    void add(ProcessEvent event);
    // The newest last.
    [[nodiscard]] const std::deque<ProcessEvent>& events() const { return events_; }
    // Gets each event from now on, after it was added.
    void set_listener(std::function<void(const ProcessEvent&)> listener) {
        listener_ = std::move(listener);
    }

  private:
    std::deque<ProcessEvent> events_;
    std::function<void(const ProcessEvent&)> listener_;
};

}  // namespace weir
