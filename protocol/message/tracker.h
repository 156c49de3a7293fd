// ProtocolTracker: where one server connection is in the protocol, seen from both directions at
// once.
//
// It keeps the queue of requests whose answers are owed, in the order they went out, and matches
// every answer to the head of that queue. From this follows, at every moment: how many
// ReadyForQuery are owed, the transaction status, the COPY state, whether the server is skipping to
// the next Sync, and the one question that matters most: may this connection be given to somebody
// else?
//
// An entry has an origin: what the client sent is answered to the client; what the proxy slipped in
// (a Parse before a Bind, a SET, a ROLLBACK) is swallowed; what the server never saw (a Parse it
// already has) is answered by the proxy when its turn comes (a faked reply).
//
// An answer that does not fit means that we and the server disagree: the caller must close the
// connection.
//
// Facts used (PostgreSQL documentation, "Message Flow"):
//   - after an error in an extended-protocol message the server discards everything up to Sync,
//   simple
//     queries and function calls included;
//   - Query and FunctionCall end with one ReadyForQuery, an error in them does not skip anything;
//   - while the server reads COPY data it ignores Flush and Sync; outside COPY it ignores CopyData,
//     CopyDone and CopyFail.
//
// Pure: no clock, no I/O. Allocates only when the queue outgrows what it ever held.
// Thread: that of the connection's owner.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/message/types.h"

namespace weir {

enum class Request : uint8_t {
    Parse,
    Bind,
    DescribeStatement,
    DescribePortal,
    Execute,
    Close,
    Sync,
    Query,
    FunctionCall,
    CopyEnd,  // CopyDone or CopyFail
};

enum class Origin : uint8_t { Client, Proxy, Faked };

struct PendingReply {
    static constexpr uint32_t kNoStatement = 0xffffffff;
    // Of a Faked one: its turn is noted, and nobody is told.
    static constexpr uint32_t kSilent = 0;
    Request request = Request::Query;
    Origin origin = Origin::Client;
    uint32_t statement =
        kNoStatement;  // for Parse and Close of the proxy's own names: the caller's handle
};

enum class CopyState : uint8_t { None, In, Out, Both };

// Told of requests that the server will never carry out, so that the caller can take back what it
// assumed when it sent them (a statement that is not prepared after all).
class DroppedRequests {
  public:
    virtual ~DroppedRequests() = default;
    virtual void on_dropped(const PendingReply& dropped) = 0;
};

class ProtocolTracker {
  public:
    enum class Verdict : uint8_t {
        Forward,  // belongs to the client
        Swallow,  // answer to something the proxy slipped in
        Doubt,    // does not fit: close the connection
    };

    // ---- towards the server ----

    // A request went out (or, Faked, would have). Returns false when it will not be answered at all
    // because the server is skipping to Sync; a Faked one is then dropped like a real one.
    bool sent(Request request, Origin origin, uint32_t statement = PendingReply::kNoStatement);

    // True and filled when the next answer owed is one that we make up; it is taken off the queue.
    bool take_faked(PendingReply& out);
    [[nodiscard]] bool faked_is_due() const {
        return count_ > 0 && ring_[head_ & mask_].origin == Origin::Faked;
    }

    // ---- from the server ----

    // A message of type `tag` arrived whole or began to arrive; `status` is the body's byte for
    // ReadyForQuery, else ignored.
    Verdict on_backend(BackendTag tag, uint8_t status, DroppedRequests& dropped);

    // ---- the state ----

    [[nodiscard]] TransactionStatus status() const { return status_; }
    [[nodiscard]] CopyState copy_state() const { return copy_; }
    [[nodiscard]] bool is_skipping_to_sync() const { return skipping_; }
    // Requests whose answers are owed, of any origin.
    [[nodiscard]] uint32_t pending() const { return count_; }
    // Of these, the ones sent since the last request that ends with ReadyForQuery.
    [[nodiscard]] uint32_t open_batch() const {
        return since_sync_ < count_ ? since_sync_ : count_;
    }
    [[nodiscard]] uint32_t ready_owed() const { return ready_owed_; }
    // Batches are numbered: one ends with each request that ends with ReadyForQuery. The one that
    // the next request belongs to, and the one that is answered next (the same, when no other is
    // owed an answer). What was sent in a batch before answering_batch() is settled.
    [[nodiscard]] uint64_t batch() const { return batch_; }
    [[nodiscard]] uint64_t answering_batch() const { return batch_ - ready_owed_; }
    // Something was sent since the last ReadyForQuery that a Sync has yet to close.
    [[nodiscard]] bool is_unsynced() const { return unsynced_; }
    // Nothing owed, nothing open: the next client may have it.
    [[nodiscard]] bool is_releasable() const {
        return count_ == 0 && !unsynced_ && !skipping_ && copy_ == CopyState::None &&
               status_ == TransactionStatus::Idle;
    }
    // The server waits for COPY data, and its end has not been sent yet.
    [[nodiscard]] bool wants_copy_data() const;
    // The head of the queue; only when pending() > 0.
    [[nodiscard]] const PendingReply& head() const { return ring_[head_ & mask_]; }

    // Back to the state of a fresh connection; keeps the memory.
    void reset();

    // All that it knows, for another process that goes on with the connection.
    struct State {
        std::vector<PendingReply> pending;  // the head first
        uint32_t ready_owed = 0;
        uint32_t since_sync = 0;
        uint64_t batch = 0;
        TransactionStatus status = TransactionStatus::Idle;
        CopyState copy = CopyState::None;
        bool is_skipping = false;
        bool is_unsynced = false;
    };
    [[nodiscard]] State save() const;
    // Instead of what it knew. False, and reset, when `state` contradicts itself.
    [[nodiscard]] bool restore(const State& state);

  private:
    const PendingReply& at(uint32_t i) const { return ring_[(head_ + i) & mask_]; }
    void push(const PendingReply& entry);
    void grow();
    void pop_head() {
        head_ = (head_ + 1) & mask_;
        --count_;
    }
    void drop_head(DroppedRequests& dropped);
    void remove_at(uint32_t i, DroppedRequests& dropped);
    void discard_stray_copy_ends();
    Verdict settle(Request request);
    Verdict on_error(DroppedRequests& dropped);
    Verdict on_ready(uint8_t status);
    Verdict on_complete(DroppedRequests& dropped);
    Verdict on_copy_start(CopyState state);
    [[nodiscard]] bool is_copy_disturbed() const;
    void finish_copy_in(bool failed, DroppedRequests& dropped);

    static constexpr uint32_t kFirstCapacity = 16;
    std::unique_ptr<PendingReply[]> ring_ = std::make_unique<PendingReply[]>(kFirstCapacity);
    uint32_t mask_ = kFirstCapacity - 1;
    uint32_t head_ = 0;
    uint32_t count_ = 0;
    uint32_t ready_owed_ = 0;
    uint32_t since_sync_ = 0;
    uint64_t batch_ = 0;
    TransactionStatus status_ = TransactionStatus::Idle;
    CopyState copy_ = CopyState::None;
    bool skipping_ = false;
    bool unsynced_ = false;
};

}  // namespace weir
