#include "proxy/leaks/leak_rules.h"

#include <algorithm>

namespace weir {

namespace {

constexpr Duration kLookMin = std::chrono::milliseconds(100);
constexpr Duration kLookMax = std::chrono::seconds(1);

// The times after which something happens to a lease.
std::array<Duration, 10> times_of(const LeakLimits& l) {
    return {l.idle_transaction, l.idle_transaction_kill, l.hold,   l.hold_cancel, l.pin,
            l.session_idle,     l.session_idle_close,    l.orphan, l.buffer_time, l.buffer_close};
}

class Judge {
  public:
    Judge(const LeakLimits& limits, Instant now) : limits_(limits), now_(now) {}

    LeakVerdict judge(const LeaseFacts& f) {
        if (!f.has_client) {
            find(LeakKind::Orphan, f.orphaned_at, limits_.orphan);
            return verdict_;
        }
        // In the order of precedence of what is done about it.
        find(LeakKind::Orphan, f.gone_since, limits_.orphan, limits_.orphan,
             LeakAction::CloseOrphan);
        find(LeakKind::Buffer, f.unread_since, limits_.buffer_time, limits_.buffer_close,
             LeakAction::CloseHoarder);
        const bool is_in_transaction = f.has(Pin::Transaction) || f.has(Pin::FailedTransaction);
        const bool is_idle =
            !f.is_answer_owed && !f.has(Pin::OpenBatch) && !f.has(Pin::HalfMessage);
        if (is_in_transaction && is_idle) {
            find(LeakKind::IdleTransaction, f.quiet_since, limits_.idle_transaction,
                 limits_.idle_transaction_kill, LeakAction::EndTransaction);
        }
        if (f.is_session_pooling && !f.is_at_work()) {
            find(LeakKind::IdleSession, f.quiet_since, limits_.session_idle,
                 limits_.session_idle_close, LeakAction::EndSession);
        }
        const bool is_held = !f.is_session_pooling || f.is_at_work();
        const bool may_cancel = f.is_answer_owed && !f.is_cancelled;
        if (is_held) {
            find(LeakKind::Hold, f.is_session_pooling ? f.work_since : f.checked_out, limits_.hold,
                 limits_.hold_cancel, may_cancel ? LeakAction::CancelQuery : LeakAction::None);
        }
        if (f.pins != 0) find(LeakKind::Pin, f.work_since, limits_.pin);
        return verdict_;
    }

  private:
    void find(LeakKind kind, Instant since, Duration report, Duration act = Duration(0),
              LeakAction action = LeakAction::None) {
        if (since.is_never()) return;
        const bool acts = act.count() > 0 && now_ - since >= act;
        const bool reports = report.count() > 0 && now_ - since >= report;
        if (!acts && !reports) return;
        verdict_.since[index_of(kind)] = since;
        if (!acts || action == LeakAction::None || verdict_.action != LeakAction::None) return;
        verdict_.action = action;
        verdict_.action_kind = kind;
    }

    const LeakLimits& limits_;
    const Instant now_;
    LeakVerdict verdict_;
};

}  // namespace

LeakLimits LeakLimits::of(const GlobalConfig& global) {
    LeakLimits l;
    l.idle_transaction = global.leak_idle_transaction;
    l.idle_transaction_kill = global.leak_idle_transaction_kill;
    l.hold = global.leak_hold;
    l.hold_cancel = global.leak_hold_cancel;
    l.pin = global.leak_pin;
    l.session_idle = global.leak_session_idle;
    l.session_idle_close = global.leak_session_idle_close;
    l.orphan = global.leak_orphan;
    l.buffer_time = global.leak_buffer_time;
    l.buffer_close = global.leak_buffer_close;
    l.buffer = static_cast<size_t>(global.leak_buffer_bytes);
    l.statements = static_cast<size_t>(global.leak_statements);
    l.statements_max = static_cast<size_t>(global.leak_statements_max);
    return l;
}

bool LeakLimits::has_lease_rules() const {
    const auto times = times_of(*this);
    return std::any_of(times.begin(), times.end(), [](Duration t) { return t.count() > 0; });
}

Duration LeakLimits::look_interval() const {
    Duration shortest = kLookMax * 2;
    for (const Duration time : times_of(*this)) {
        if (time.count() > 0) shortest = std::min(shortest, time);
    }
    return std::clamp(shortest / 2, kLookMin, kLookMax);
}

LeakVerdict judge_lease(const LeaseFacts& facts, const LeakLimits& limits, Instant now) {
    return Judge(limits, now).judge(facts);
}

std::string pin_text(const LeaseFacts& facts) {
    std::string text = facts.is_session_pooling && facts.has_client ? "session pooling" : "";
    for (size_t i = 0; i < kPinNames.size(); ++i) {
        if (!facts.has(static_cast<Pin>(i))) continue;
        text += std::string(text.empty() ? "" : ", ") + kPinNames[i];
    }
    return text;
}

}  // namespace weir
