// A slow, plain twin of ProtocolTracker for differential tests: a deque, counts made by counting,
// and a table of which answer fits which request. Also what a seeded driver needs.
// Thread: that of the test.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "protocol/message/tracker.h"

namespace weir {

// Remembers what the tracker gave up.
class DroppedLog final : public DroppedRequests {
  public:
    void on_dropped(const PendingReply& dropped) override { entries.push_back(dropped); }
    std::vector<PendingReply> entries;
};

inline bool same_entry(const PendingReply& a, const PendingReply& b) {
    return a.request == b.request && a.origin == b.origin && a.statement == b.statement;
}

class TrackerModel {
  public:
    using Verdict = ProtocolTracker::Verdict;

    bool sent(Request request, Origin origin, uint32_t statement) {
        if (request == Request::Sync) skipping = false;
        if (skipping) return false;
        if (request == Request::CopyEnd && queue.empty()) return true;
        queue.push_back({request, origin, statement});
        if (owes_ready(request)) unsynced = false;
        if (is_batch(request) && origin != Origin::Faked) unsynced = true;
        return true;
    }

    bool take_faked(PendingReply& out) {
        if (queue.empty() || queue.front().origin != Origin::Faked) return false;
        out = queue.front();
        pop();
        return true;
    }

    Verdict on_backend(BackendTag tag, uint8_t state) {
        switch (tag) {
            case BackendTag::NoticeResponse:
            case BackendTag::ParameterStatus:
            case BackendTag::NotificationResponse: return Verdict::Forward;
            case BackendTag::ErrorResponse:
                if (!queue.empty()) return error();
                skipping = unsynced = true;
                return Verdict::Forward;
            default: break;
        }
        if (queue.empty()) return Verdict::Doubt;
        const PendingReply head = queue.front();
        const Fit fit = fit_of(tag, head.request);
        if (fit == Fit::None || head.origin == Origin::Faked) return Verdict::Doubt;
        if (tag == BackendTag::ReadyForQuery) {
            if (copy != CopyState::None) return Verdict::Doubt;
            if (state != 'I' && state != 'T' && state != 'E') return Verdict::Doubt;
            status = static_cast<TransactionStatus>(state);
        }
        if (tag == BackendTag::CopyInResponse) copy = CopyState::In;
        if (tag == BackendTag::CopyOutResponse) copy = CopyState::Out;
        if (tag == BackendTag::CopyBothResponse) copy = CopyState::Both;
        if (tag == BackendTag::CommandComplete || tag == BackendTag::EmptyQueryResponse)
            end_copy(false);
        if (fit == Fit::Last) pop();
        return head.origin == Origin::Client ? Verdict::Forward : Verdict::Swallow;
    }

    [[nodiscard]] uint32_t ready_owed() const {
        uint32_t count = 0;
        for (const PendingReply& entry : queue)
            count += owes_ready(entry.request);
        return count;
    }
    [[nodiscard]] bool is_releasable() const {
        return queue.empty() && !unsynced && !skipping && copy == CopyState::None &&
               status == TransactionStatus::Idle;
    }

    std::deque<PendingReply> queue;
    std::vector<PendingReply> dropped;
    CopyState copy = CopyState::None;
    TransactionStatus status = TransactionStatus::Idle;
    bool skipping = false;
    bool unsynced = false;

  private:
    enum class Fit { None, Part, Last };  // of the answer to that request

    static bool owes_ready(Request r) {
        return r == Request::Sync || r == Request::Query || r == Request::FunctionCall;
    }
    static bool is_batch(Request r) { return !owes_ready(r) && r != Request::CopyEnd; }

    static Fit fit_of(BackendTag tag, Request head) {
        const auto last_of = [head](Request r) { return head == r ? Fit::Last : Fit::None; };
        switch (tag) {
            case BackendTag::ParseComplete: return last_of(Request::Parse);
            case BackendTag::BindComplete: return last_of(Request::Bind);
            case BackendTag::CloseComplete: return last_of(Request::Close);
            case BackendTag::PortalSuspended: return last_of(Request::Execute);
            case BackendTag::ReadyForQuery: return owes_ready(head) ? Fit::Last : Fit::None;
            case BackendTag::CommandComplete:
            case BackendTag::EmptyQueryResponse:
                return head == Request::Query ? Fit::Part : last_of(Request::Execute);
            case BackendTag::CopyInResponse:
            case BackendTag::CopyOutResponse:
            case BackendTag::CopyBothResponse:
                return head == Request::Query || head == Request::Execute ? Fit::Part : Fit::None;
            case BackendTag::RowDescription:
            case BackendTag::NoData:
                return head == Request::DescribeStatement || head == Request::DescribePortal
                           ? Fit::Last
                           : Fit::Part;
            case BackendTag::DataRow:
            case BackendTag::ParameterDescription:
            case BackendTag::CopyData:
            case BackendTag::CopyDone:
            case BackendTag::FunctionCallResponse: return Fit::Part;
            default: return Fit::None;
        }
    }

    void pop() {
        queue.pop_front();
        while (!queue.empty() && queue.front().request == Request::CopyEnd)
            queue.pop_front();
    }

    // A Sync that was sent while the server read COPY data was ignored by it.
    void end_copy(bool failed) {
        const bool reads = copy == CopyState::In || copy == CopyState::Both;
        copy = CopyState::None;
        if (!reads) return;
        size_t end = 1;
        while (end < queue.size() && queue[end].request != Request::CopyEnd)
            ++end;
        const bool has_end = end < queue.size();
        if (!has_end && !failed) return;
        std::deque<PendingReply> kept;
        for (size_t i = 0; i < queue.size(); ++i) {
            const bool is_eaten = i > 0 && i < end && queue[i].request == Request::Sync;
            if (is_eaten || i == end) {
                dropped.push_back(queue[i]);
            } else {
                kept.push_back(queue[i]);
            }
        }
        queue = kept;
        if (ready_owed() == 0 && is_batch(queue.front().request)) unsynced = true;
    }

    // A request in the midst of COPY data: nobody can tell what the server will answer.
    [[nodiscard]] bool is_disturbed() const {
        if (copy != CopyState::In && copy != CopyState::Both) return false;
        for (size_t i = 1; i < queue.size() && queue[i].request != Request::CopyEnd; ++i) {
            if (queue[i].request != Request::Sync && queue[i].origin != Origin::Faked) return true;
        }
        return false;
    }

    Verdict error() {
        if (is_disturbed()) return Verdict::Doubt;
        end_copy(true);
        const PendingReply head = queue.front();
        if (!is_batch(head.request))
            return head.origin == Origin::Proxy ? Verdict::Swallow : Verdict::Forward;
        while (!queue.empty() && queue.front().request != Request::Sync) {
            dropped.push_back(queue.front());
            queue.pop_front();
        }
        if (queue.empty()) skipping = unsynced = true;
        return Verdict::Forward;
    }
};

// The tracker and its model, driven together. Every step says whether they still agree.
class TrackerPair {
  public:
    bool send(Request request, Origin origin, uint32_t statement) {
        const bool a = tracker.sent(request, origin, statement);
        return a == model.sent(request, origin, statement) && agrees();
    }
    bool take_faked() {
        PendingReply a, b;
        const bool taken = tracker.take_faked(a);
        return taken == model.take_faked(b) && (!taken || same_entry(a, b)) && agrees();
    }
    bool receive(BackendTag tag, uint8_t status) {
        const ProtocolTracker::Verdict verdict = tracker.on_backend(tag, status, log_);
        if (verdict != model.on_backend(tag, status)) return false;
        if (verdict == ProtocolTracker::Verdict::Doubt) {  // the connection is closed
            tracker.reset();
            model = {};
            log_.entries.clear();
        }
        return agrees();
    }
    [[nodiscard]] bool agrees() {
        if (log_.entries.size() != model.dropped.size()) return false;
        for (size_t i = 0; i < log_.entries.size(); ++i) {
            if (!same_entry(log_.entries[i], model.dropped[i])) return false;
        }
        log_.entries.clear();
        model.dropped.clear();
        if (tracker.pending() != model.queue.size()) return false;
        if (tracker.pending() > 0 && !same_entry(tracker.head(), model.queue.front())) return false;
        const bool is_faked_due =
            !model.queue.empty() && model.queue.front().origin == Origin::Faked;
        return tracker.faked_is_due() == is_faked_due &&
               tracker.ready_owed() == model.ready_owed() && tracker.status() == model.status &&
               tracker.copy_state() == model.copy &&
               tracker.is_skipping_to_sync() == model.skipping &&
               tracker.is_unsynced() == model.unsynced &&
               tracker.is_releasable() == model.is_releasable();
    }

    ProtocolTracker tracker;
    TrackerModel model;

  private:
    DroppedLog log_;
};

}  // namespace weir
