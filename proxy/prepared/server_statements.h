// What one server connection has prepared under our names, least recently used first to go.
// An entry's handle stays valid until the entry is forgotten; the tracker carries it so that a
// Parse that the server skipped can be taken back. Owner: the server connection. Thread: that of
// its lease.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "proxy/prepared/statement.h"

namespace weir {

class ServerStatements {
  public:
    using Handle = uint32_t;
    static constexpr Handle kNone = 0xffffffff;

    // The entry of `id`, now the most recently used; kNone when the server does not have it.
    Handle use(const StatementId& id);
    // Its Parse has been sent and not been answered yet.
    [[nodiscard]] bool is_parse_pending(const StatementId& id) const {
        const auto found = by_id_.find(id);
        return found != by_id_.end() && entries_[found->second].is_parse_pending;
    }
    // Adds `id`, which must not be there: a Parse for it goes out.
    Handle insert(const StatementId& id);
    void on_parse_complete(Handle handle) { entries_[handle].is_parse_pending = false; }
    // The server skipped the Parse of this entry.
    void on_parse_dropped(Handle handle);
    // A Close for this entry goes out: it is gone, unless the server skips the Close.
    void begin_close(Handle handle);
    void on_close_complete(Handle handle);
    void on_close_dropped(Handle handle);
    [[nodiscard]] Handle oldest() const { return tail_; }
    [[nodiscard]] const StatementId& id(Handle handle) const { return entries_[handle].id; }
    [[nodiscard]] bool contains(const StatementId& id) const { return by_id_.contains(id); }
    [[nodiscard]] size_t size() const { return by_id_.size(); }
    // DISCARD ALL, DEALLOCATE ALL: all entries go but those whose Parse is still on its way.
    void forget_parsed();
    void clear();

  private:
    struct Entry {
        StatementId id;
        Handle newer = kNone;
        Handle older = kNone;
        enum class State : uint8_t {
            Free,
            Live,
            Closing,
            ClosingUnparsed,  // its Parse was skipped, so its Close will be, too
            Superseded,       // its Parse is about to be reported as skipped
        } state = State::Free;
        bool is_parse_pending = false;
        bool is_discarded = false;  // Closing: the server has dropped it meanwhile (DISCARD ALL)
    };
    void free_entry(Handle handle);
    void link_newest(Handle handle);
    void unlink(Handle handle);

    std::unordered_map<StatementId, Handle, StatementIdHash> by_id_;
    std::vector<Entry> entries_;
    std::vector<Handle> free_;
    Handle head_ = kNone;  // newest
    Handle tail_ = kNone;  // oldest
};

}  // namespace weir
