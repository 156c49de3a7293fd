// Successor: the process that has taken over from this one (weir -R), for logins that were in the
// middle of a password exchange and have come to its end: they follow to where everybody is.
// Thread: any worker's.
#pragma once

namespace weir {

struct ClientSession;
struct WorkerContext;

class Successor {
  public:
    virtual ~Successor() = default;
    // The session, which has proven who it is, goes there; it is over here. False: it cannot, and
    // goes on here.
    virtual bool follow(WorkerContext& ctx, ClientSession& session) = 0;
};

}  // namespace weir
