// Cancels: cancel requests. The key that a client was given names its worker and session (see
// ClientKey and PeerKey), so a request that arrives anywhere finds its way, to another process,
// too. The server it is for is withheld until the request has ended, so that it cannot hit the next
// client.
//
// Owner: Worker. Thread: the worker's.
#pragma once

#include <optional>

#include "conf/logging.h"
#include "protocol/message/cancel_key.h"
#include "proxy/session/cancel/client_key.h"
#include "proxy/session/context.h"

namespace weir {

// The key that the session is given at its login, by this process or an earlier one.
CancelKey cancel_key_of(const WorkerContext& context, const ClientSession& session);

// A connection to a server that carries one cancel request, encrypted as the server's own is.
//   Connecting -> (AskingTls -> ShakingHands ->) Sent
struct alignas(64) CancelConnection : Deadline {
    uint32_t slot = 0;
    uint32_t generation = 0;
    WorkerId worker = kNoWorker;  // whose it is
    int fd = -1;
    ServerConnection* server = nullptr;  // null when that one is gone
    ClientId requester;                  // nobody for a cancel of our own
    enum class Stage : uint8_t { Connecting, AskingTls, ShakingHands, Sent };
    Stage stage = Stage::Connecting;
    std::unique_ptr<TlsStream> tls;
    std::unique_ptr<TlsAttempt> attempt;  // null: plain
    std::string host;                     // for the server's certificate
    std::string request;

    [[nodiscard]] bool is_sent() const { return stage == Stage::Sent; }
    [[nodiscard]] bool is_plain() const { return attempt == nullptr && tls == nullptr; }

    CancelConnection() { Deadline::kind = Deadline::Kind::Cancel; }
};

class Cancels {
  public:
    explicit Cancels(WorkerContext& context) : ctx_(context) {}

    // A cancel request arrived on a client connection of this worker.
    void on_request(ClientSession& requester, const CancelKey& key);
    // The request is for a session of this worker.
    void carry_out(uint32_t slot, const CancelKey& key, ClientId requester);
    // The requester's connection may be closed; `reason` for the log.
    void on_done(ClientId requester, std::string_view reason);
    // No session of this process was given the key.
    void on_unknown_key(ClientId requester, const CancelKey& key);
    // Tells the requester's worker so.
    void notify(ClientId requester, std::string_view reason = "successfully sent cancel request");

    // Cancels what the server runs; `requester` nobody for our own clean-up.
    void start(ServerConnection& server, ClientId requester);
    void on_event(CancelConnection& cancel, const IoEvent& event);
    void on_deadline(CancelConnection& cancel);
    // The server's connection is closed: requests for it find nobody.
    void forget(ServerConnection& server);
    // The process ends: nobody waits for theirs.
    void close_all();
    [[nodiscard]] size_t in_flight() const { return open_.size(); }

    // ---- hand-over to another process (proxy/takeover) ----

    [[nodiscard]] const std::vector<CancelConnection*>& in_hand() const { return open_; }
    // Another process began it; takes over the descriptor. `server` may be null.
    void adopt(int fd, ServerConnection* server, ClientId requester, std::string request,
               bool is_sent);
    // Another process goes on with it: our copy of the descriptor is closed.
    void let_go(CancelConnection& cancel);

  private:
    [[nodiscard]] std::optional<ClientId> find_adopted(const CancelKey& key) const;
    [[nodiscard]] ClientKey read(const CancelKey& key) const;
    bool is_passed_on(const CancelKey& key, ClientId requester);
    void tell(ClientId requester, WorkerMessage message);
    void tell_unknown(ClientId requester, const CancelKey& key);
    void on_connected(CancelConnection& cancel);
    void on_tls_answer(CancelConnection& cancel);
    void shake_hands(CancelConnection& cancel);
    void send_request(CancelConnection& cancel);
    void finish(CancelConnection& cancel, bool is_over);

    WorkerContext& ctx_;
    Slab<CancelConnection> slab_;
    std::vector<CancelConnection*> open_;
    RateLimit lost_{1};
};

}  // namespace weir
