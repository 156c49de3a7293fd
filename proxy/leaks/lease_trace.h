// LeaseTrace: what is remembered of one lease for a report that may have to be made of it: when it
// began, the beginnings of its first and last query, and what a look at it found before. It lives
// in the ServerConnection, so an idle client costs nothing for it, and it outlives the client when
// that vanishes. Written only while leaks are looked for.
// Owner: the server connection. Thread: that of its lease.
#pragma once

#include <cstdint>
#include <string_view>

#include "protocol/base/clock.h"
#include "proxy/leaks/query_text.h"
#include "proxy/runtime/address.h"

namespace weir {

struct LeaseTrace {
    Instant checked_out;
    Instant cancelled_work;  // the work (its begin) whose query was cancelled for being held
    Instant gone_since;      // a look found the client's end of the connection closed
    Instant unread_since;    // a look found too many unread bytes, and so did every one since
    Instant orphaned_at;     // the client left while its work was under way
    PeerAddress orphan_of;   // ... and this was its address
    uint16_t open = 0;       // kinds of leak (1 << LeakKind) that are reported and not over
    bool is_growth_reported = false;  // the connection's many statements were; outlives the lease
    QueryPrefix first;
    QueryPrefix last;  // empty = `first` is the only one

    // A client gets the connection.
    void begin(Instant now) {
        checked_out = now;
        cancelled_work = gone_since = unread_since = orphaned_at = {};
        open = 0;
        first.clear();
        last.clear();
    }
    void note(std::string_view sql) { next().note(sql); }
    void note_prepared(std::string_view name) { next().note_prepared(name); }
    [[nodiscard]] const QueryPrefix& last_query() const { return last.empty() ? first : last; }

  private:
    QueryPrefix& next() { return first.empty() ? first : last; }
};

}  // namespace weir
