#include "protocol/message/tracker.h"

namespace weir {

namespace {

bool is_extended(Request request) {
    switch (request) {
        case Request::Parse:
        case Request::Bind:
        case Request::DescribeStatement:
        case Request::DescribePortal:
        case Request::Execute:
        case Request::Close: return true;
        default: return false;
    }
}

bool ends_with_ready(Request request) {
    return request == Request::Sync || request == Request::Query ||
           request == Request::FunctionCall;
}

}  // namespace

bool ProtocolTracker::sent(Request request, Origin origin, uint32_t statement) {
    if (skipping_) {
        if (request != Request::Sync) return false;
        skipping_ = false;
    }
    if (request == Request::CopyEnd && count_ == 0)
        return true;  // ignored by the server, answered by nothing
    push({request, origin, statement});
    ++since_sync_;
    if (ends_with_ready(request)) {
        since_sync_ = 0;
        ++ready_owed_;
        ++batch_;
        unsynced_ = false;
    } else if (is_extended(request)) {
        unsynced_ = unsynced_ || origin != Origin::Faked;
    }
    return true;
}

bool ProtocolTracker::take_faked(PendingReply& out) {
    if (!faked_is_due()) return false;
    out = head();
    pop_head();
    discard_stray_copy_ends();
    return true;
}

ProtocolTracker::State ProtocolTracker::save() const {
    State out;
    out.pending.reserve(count_);
    for (uint32_t i = 0; i < count_; ++i)
        out.pending.push_back(at(i));
    out.ready_owed = ready_owed_;
    out.since_sync = since_sync_;
    out.batch = batch_;
    out.status = status_;
    out.copy = copy_;
    out.is_skipping = skipping_;
    out.is_unsynced = unsynced_;
    return out;
}

bool ProtocolTracker::restore(const State& state) {
    reset();
    uint32_t ready_owed = 0;
    for (const PendingReply& entry : state.pending)
        ready_owed += ends_with_ready(entry.request) ? 1U : 0U;
    if (ready_owed != state.ready_owed || state.batch < ready_owed) return false;
    const bool is_known = state.status == TransactionStatus::Idle ||
                          state.status == TransactionStatus::InTransaction ||
                          state.status == TransactionStatus::Failed;
    if (!is_known) return false;
    for (const PendingReply& entry : state.pending)
        push(entry);
    ready_owed_ = ready_owed;
    since_sync_ = state.since_sync;
    batch_ = state.batch;
    status_ = state.status;
    copy_ = state.copy;
    skipping_ = state.is_skipping;
    unsynced_ = state.is_unsynced;
    return true;
}

void ProtocolTracker::push(const PendingReply& entry) {
    if (count_ > mask_) grow();
    ring_[(head_ + count_) & mask_] = entry;
    ++count_;
}

void ProtocolTracker::grow() {
    const uint32_t capacity = (mask_ + 1) * 2;
    auto bigger = std::make_unique<PendingReply[]>(capacity);
    for (uint32_t i = 0; i < count_; ++i)
        bigger[i] = at(i);
    ring_ = std::move(bigger);
    mask_ = capacity - 1;
    head_ = 0;
}

void ProtocolTracker::drop_head(DroppedRequests& dropped) {
    const PendingReply entry = head();
    pop_head();
    if (ends_with_ready(entry.request)) --ready_owed_;
    dropped.on_dropped(entry);
}

// Cold: only Syncs that a COPY has eaten are taken out of the middle.
void ProtocolTracker::remove_at(uint32_t i, DroppedRequests& dropped) {
    const PendingReply entry = at(i);
    for (uint32_t k = i; k + 1 < count_; ++k)
        ring_[(head_ + k) & mask_] = at(k + 1);
    --count_;
    if (ends_with_ready(entry.request)) --ready_owed_;
    dropped.on_dropped(entry);
}

// A CopyDone that comes to the head outside COPY is one that the server ignores.
void ProtocolTracker::discard_stray_copy_ends() {
    while (count_ > 0 && head().request == Request::CopyEnd)
        pop_head();
}

// The head must be `request`, then it is answered.
ProtocolTracker::Verdict ProtocolTracker::settle(Request request) {
    if (count_ == 0 || head().request != request || head().origin == Origin::Faked)
        return Verdict::Doubt;
    const Verdict verdict = head().origin == Origin::Client ? Verdict::Forward : Verdict::Swallow;
    pop_head();
    discard_stray_copy_ends();
    return verdict;
}

ProtocolTracker::Verdict ProtocolTracker::on_ready(uint8_t status) {
    if (status != 'I' && status != 'T' && status != 'E') return Verdict::Doubt;
    if (count_ == 0 || !ends_with_ready(head().request) || copy_ != CopyState::None)
        return Verdict::Doubt;
    const Verdict verdict = settle(head().request);
    --ready_owed_;
    status_ = static_cast<TransactionStatus>(status);
    return verdict;
}

bool ProtocolTracker::is_copy_disturbed() const {
    for (uint32_t i = 1; i < count_ && at(i).request != Request::CopyEnd; ++i) {
        if (at(i).request != Request::Sync && at(i).origin != Origin::Faked) return true;
    }
    return false;
}

bool ProtocolTracker::wants_copy_data() const {
    if (copy_ != CopyState::In && copy_ != CopyState::Both) return false;
    for (uint32_t i = 1; i < count_; ++i) {
        if (at(i).request == Request::CopyEnd) return false;
    }
    return true;
}

void ProtocolTracker::finish_copy_in(bool failed, DroppedRequests& dropped) {
    copy_ = CopyState::None;
    // The server read (and ignored) every Sync up to the CopyDone that ended the COPY; when it
    // failed without one, every Sync sent so far was read while it waited for data.
    uint32_t end = 1;
    while (end < count_ && at(end).request != Request::CopyEnd)
        ++end;
    const bool has_end = end < count_;
    if (!has_end && !failed) return;
    for (uint32_t i = 1; i < end;) {
        if (at(i).request == Request::Sync) {
            remove_at(i, dropped);
            --end;
        } else {
            ++i;
        }
    }
    if (has_end) remove_at(end, dropped);
    if (ready_owed_ == 0 && is_extended(head().request)) unsynced_ = true;
}

ProtocolTracker::Verdict ProtocolTracker::on_error(DroppedRequests& dropped) {
    // With nothing owed it is the farewell of a server that closes (57P01 and its like), or a Flush
    // that the server could not read, after which it skips to Sync.
    if (count_ == 0) {
        skipping_ = unsynced_ = true;
        return Verdict::Forward;
    }
    if (copy_ == CopyState::In || copy_ == CopyState::Both) {
        // A request among the COPY data is an error to the server, which eats that message: nobody
        // can tell from here which of those behind it will be answered.
        if (is_copy_disturbed()) return Verdict::Doubt;
        finish_copy_in(true, dropped);
    }
    copy_ = CopyState::None;
    const Origin origin = head().origin;
    if (!is_extended(head().request)) {
        // Query, FunctionCall: their ReadyForQuery follows. Sync: the commit that it does has
        // failed.
        return origin == Origin::Proxy ? Verdict::Swallow : Verdict::Forward;
    }
    while (count_ > 0 && head().request != Request::Sync)
        drop_head(dropped);
    if (count_ == 0) {
        skipping_ = true;
        unsynced_ = true;
    }
    return Verdict::Forward;  // a Parse slipped in before a Bind fails as the client's own
}

ProtocolTracker::Verdict ProtocolTracker::on_complete(DroppedRequests& dropped) {
    if (count_ == 0) return Verdict::Doubt;
    if (copy_ == CopyState::In || copy_ == CopyState::Both) finish_copy_in(false, dropped);
    copy_ = CopyState::None;
    if (head().request == Request::Query) {
        return head().origin == Origin::Proxy ? Verdict::Swallow : Verdict::Forward;
    }
    return settle(Request::Execute);
}

ProtocolTracker::Verdict ProtocolTracker::on_copy_start(CopyState state) {
    if (count_ == 0 || (head().request != Request::Query && head().request != Request::Execute)) {
        return Verdict::Doubt;
    }
    copy_ = state;
    return head().origin == Origin::Proxy ? Verdict::Swallow : Verdict::Forward;
}

ProtocolTracker::Verdict ProtocolTracker::on_backend(BackendTag tag, uint8_t status,
                                                     DroppedRequests& dropped) {
    switch (tag) {
        case BackendTag::ReadyForQuery: return on_ready(status);
        case BackendTag::ErrorResponse: return on_error(dropped);
        case BackendTag::ParseComplete: return settle(Request::Parse);
        case BackendTag::BindComplete: return settle(Request::Bind);
        case BackendTag::CloseComplete: return settle(Request::Close);
        case BackendTag::PortalSuspended: return settle(Request::Execute);
        case BackendTag::CommandComplete:
        case BackendTag::EmptyQueryResponse: return on_complete(dropped);
        case BackendTag::CopyInResponse: return on_copy_start(CopyState::In);
        case BackendTag::CopyOutResponse: return on_copy_start(CopyState::Out);
        case BackendTag::CopyBothResponse: return on_copy_start(CopyState::Both);
        case BackendTag::RowDescription:
        case BackendTag::NoData:
            if (count_ == 0) return Verdict::Doubt;
            if (head().request == Request::DescribeStatement ||
                head().request == Request::DescribePortal) {
                return settle(head().request);
            }
            [[fallthrough]];
        case BackendTag::DataRow:
        case BackendTag::ParameterDescription:
        case BackendTag::CopyData:
        case BackendTag::CopyDone:
        case BackendTag::FunctionCallResponse:
            if (count_ == 0 || head().origin == Origin::Faked) return Verdict::Doubt;
            return head().origin == Origin::Proxy ? Verdict::Swallow : Verdict::Forward;
        case BackendTag::NoticeResponse:
        case BackendTag::ParameterStatus:
        case BackendTag::NotificationResponse: return Verdict::Forward;
        default: return Verdict::Doubt;  // login messages have no business here
    }
}

void ProtocolTracker::reset() {
    head_ = count_ = ready_owed_ = since_sync_ = 0;
    batch_ = 0;
    status_ = TransactionStatus::Idle;
    copy_ = CopyState::None;
    skipping_ = unsynced_ = false;
}

}  // namespace weir
