#include "proxy/prepared/server_statements.h"

#include <algorithm>

#include "protocol/base/check.h"

namespace weir {

ServerStatements::Handle ServerStatements::use(const StatementId& id) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return kNone;
    if (head_ != found->second) {
        unlink(found->second);
        link_newest(found->second);
    }
    return found->second;
}

ServerStatements::Handle ServerStatements::insert(const StatementId& id, uint64_t batch,
                                                  uint32_t schema) {
    Handle handle;
    if (free_.empty()) {
        handle = static_cast<Handle>(entries_.size());
        entries_.emplace_back();
    } else {
        handle = free_.back();
        free_.pop_back();
    }
    const bool is_new = by_id_.emplace(id, handle).second;
    WEIR_CHECK(is_new);
    entries_[handle].id = id;
    entries_[handle].batch = batch;
    entries_[handle].schema = schema;
    entries_[handle].state = Entry::State::Live;
    entries_[handle].is_parse_pending = true;
    entries_[handle].is_discarded = false;
    link_newest(handle);
    return handle;
}

void ServerStatements::on_parse_dropped(Handle handle) {
    Entry& entry = entries_[handle];
    if (entry.state == Entry::State::Superseded) return free_entry(handle);
    if (entry.state == Entry::State::Closing) entry.state = Entry::State::ClosingUnparsed;
    if (entry.state != Entry::State::Live) return;
    by_id_.erase(entry.id);
    unlink(handle);
    free_entry(handle);
}

void ServerStatements::begin_close(Handle handle, uint64_t batch) {
    Entry& entry = entries_[handle];
    WEIR_CHECK(entry.state == Entry::State::Live);
    by_id_.erase(entry.id);
    unlink(handle);
    entry.state = Entry::State::Closing;  // the handle is kept: the answer will name it
    entry.batch = batch;
    ++closing_;
}

// Cold: the few that are being evicted, and only for a statement that the server seems not to have.
bool ServerStatements::is_close_undecided(const StatementId& id, uint64_t batch) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
        const bool is_closing =
            entry.state == Entry::State::Closing || entry.state == Entry::State::ClosingUnparsed;
        return is_closing && entry.id == id && entry.batch != batch;
    });
}

bool ServerStatements::has_parsed_since(uint64_t batch) const {
    return std::any_of(entries_.begin(), entries_.end(), [batch](const Entry& entry) {
        return entry.state == Entry::State::Live && entry.batch >= batch;
    });
}

void ServerStatements::on_close_complete(Handle handle) {
    --closing_;
    free_entry(handle);
}

void ServerStatements::on_close_dropped(Handle handle) {
    --closing_;
    Entry& entry = entries_[handle];
    if (entry.state != Entry::State::Closing || entry.is_discarded) return free_entry(handle);
    // A Parse for the same statement may stand behind the Close in the same failed batch: it is
    // dropped next and finds its entry gone.
    if (const auto later = by_id_.find(entry.id); later != by_id_.end()) {
        const Handle parsed_again = later->second;
        by_id_.erase(later);
        unlink(parsed_again);
        entries_[parsed_again].state = Entry::State::Superseded;
    }
    by_id_.emplace(entry.id, handle);
    entry.state = Entry::State::Live;
    link_newest(handle);
}

void ServerStatements::free_entry(Handle handle) {
    entries_[handle].state = Entry::State::Free;
    free_.push_back(handle);
}

void ServerStatements::forget_parsed() {
    for (Handle handle = 0; handle < entries_.size(); ++handle) {
        Entry& entry = entries_[handle];
        if (entry.state == Entry::State::Closing && !entry.is_parse_pending)
            entry.is_discarded = true;
        if (entry.state != Entry::State::Live || entry.is_parse_pending) continue;
        by_id_.erase(entry.id);
        unlink(handle);
        free_entry(handle);
    }
}

void ServerStatements::clear() {
    by_id_.clear();
    entries_.clear();
    free_.clear();
    head_ = tail_ = kNone;
    closing_ = 0;
}

ServerStatements::State ServerStatements::save(uint32_t schema) const {
    State out;
    if (by_id_.empty() && closing_ == 0) return out;
    out.entries.reserve(entries_.size());
    for (const Entry& entry : entries_) {
        out.entries.push_back({entry.id, entry.batch, static_cast<uint8_t>(entry.state),
                               entry.is_parse_pending, entry.is_discarded, entry.schema != schema});
    }
    for (Handle handle = head_; handle != kNone; handle = entries_[handle].older)
        out.order.push_back(handle);
    return out;
}

bool ServerStatements::restore(const State& state, uint32_t schema) {
    clear();
    const auto fail = [this] {
        clear();
        return false;
    };
    for (const Saved& saved : state.entries) {
        if (saved.state > static_cast<uint8_t>(Entry::State::Superseded)) return fail();
        Entry& entry = entries_.emplace_back();
        entry.id = saved.id;
        entry.batch = saved.batch;
        entry.state = static_cast<Entry::State>(saved.state);
        entry.is_parse_pending = saved.is_parse_pending;
        entry.is_discarded = saved.is_discarded;
        entry.schema = saved.is_outdated ? schema - 1 : schema;
        const auto handle = static_cast<Handle>(entries_.size() - 1);
        switch (entry.state) {
            case Entry::State::Free: free_.push_back(handle); break;
            case Entry::State::Live:
                if (!by_id_.emplace(entry.id, handle).second) return fail();
                break;
            case Entry::State::Closing:
            case Entry::State::ClosingUnparsed: ++closing_; break;
            case Entry::State::Superseded: break;
        }
    }
    if (state.order.size() != by_id_.size()) return fail();
    std::vector<bool> is_linked(entries_.size());
    for (auto handle = state.order.rbegin(); handle != state.order.rend(); ++handle) {
        const bool is_right = *handle < entries_.size() && !is_linked[*handle] &&
                              entries_[*handle].state == Entry::State::Live;
        if (!is_right) return fail();
        is_linked[*handle] = true;
        link_newest(*handle);
    }
    return true;
}

void ServerStatements::link_newest(Handle handle) {
    entries_[handle].older = head_;
    entries_[handle].newer = kNone;
    if (head_ != kNone) entries_[head_].newer = handle;
    head_ = handle;
    if (tail_ == kNone) tail_ = handle;
}

void ServerStatements::unlink(Handle handle) {
    const Entry& entry = entries_[handle];
    if (entry.newer != kNone) {
        entries_[entry.newer].older = entry.older;
    } else {
        head_ = entry.older;
    }
    if (entry.older != kNone) {
        entries_[entry.older].newer = entry.newer;
    } else {
        tail_ = entry.newer;
    }
}

}  // namespace weir
