// PeerCancels: cancel requests that are for sessions of other processes (peers, which share our
// port), passed on over a connection of their own. A peer's requests are all handled by one worker,
// so that its limit (pool_size) is a number of that worker's. The requester's connection is held
// until the peer has carried the request out.
//
//   waiting (for the limit) -> connecting (a name may be looked up first) -> sent -> over
//
// Whatever takes longer than cancel_wait_timeout is given up. Owner: Worker. Thread: the worker's.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "conf/logging.h"
#include "proxy/session/context.h"

namespace weir {

// A request on its way to a peer.
struct alignas(64) PeerConnection : Deadline {
    uint32_t slot = 0;
    uint32_t generation = 0;
    WorkerId worker = kNoWorker;  // whose it is
    int fd = -1;
    int peer = 0;
    ClientId requester;
    bool is_active = false;  // counts against the peer's limit
    bool is_sent = false;
    std::string host;
    std::string request;

    PeerConnection() { Deadline::kind = Deadline::Kind::Peer; }
};

class PeerCancels {
  public:
    explicit PeerCancels(WorkerContext& context) : ctx_(context) {}

    // Who handles the requests for a peer.
    static WorkerId worker_of(int peer, unsigned workers) {
        return static_cast<WorkerId>(static_cast<unsigned>(peer) % workers);
    }

    // `key` is what the peer is to get. A peer that is not in [peers] (any more) gets nothing.
    void forward(int peer, const CancelKey& key, ClientId requester);
    void on_event(PeerConnection& connection, const IoEvent& event);
    void on_deadline(PeerConnection& connection);
    void on_resolved();
    // The process ends: nobody waits for theirs.
    void close_all();
    // One row for each peer that this worker handles requests of.
    [[nodiscard]] std::vector<PeerRow> rows() const;

  private:
    struct Peer {
        int active = 0;
        size_t next_host = 0;
        std::deque<PeerConnection*> waiting;
    };

    [[nodiscard]] const PeerConfig* config_of(int peer) const;
    void start_waiting(int peer);
    void connect(PeerConnection& connection);
    void connect_to(PeerConnection& connection, const Address& address);
    void fail(PeerConnection& connection, const std::string& why);
    void finish(PeerConnection& connection);

    WorkerContext& ctx_;
    Slab<PeerConnection> slab_;
    std::map<int, Peer> peers_;
    std::vector<PeerConnection*> all_;
    std::vector<PeerConnection*> unresolved_;
    RateLimit failures_{1};
};

}  // namespace weir
