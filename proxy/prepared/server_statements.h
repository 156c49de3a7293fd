// What one server connection has prepared under our names, least recently used first to go.
// An entry's handle stays valid until the entry is forgotten; the tracker carries it so that a
// Parse that the server skipped can be taken back.
//
// A Parse or Close that has been sent takes effect here at once. Until it is answered, that holds
// for its own batch only: a failure before it makes the server skip both it and what builds upon
// it, but a later batch is carried out. So whoever is in a later batch must wait for the answer:
// is_undecided(). Batches are numbered by the tracker.
// Owner: the server connection. Thread: that of its lease.
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
    // Whether the server has `id` when it gets to `batch`, the one being sent, depends on an
    // answer that an earlier batch is owed. `handle` is what use(id) gave.
    [[nodiscard]] bool is_undecided(const StatementId& id, Handle handle, uint64_t batch) const {
        if (handle == kNone) return closing_ > 0 && is_close_undecided(id, batch);
        return entries_[handle].is_parse_pending && entries_[handle].batch != batch;
    }
    // Adds `id`, which must not be there: a Parse for it goes out in `batch`. `schema` numbers the
    // state of tables and types that it is prepared for (DatabaseState::schema).
    Handle insert(const StatementId& id, uint64_t batch, uint32_t schema = 0);
    [[nodiscard]] uint32_t schema(Handle handle) const { return entries_[handle].schema; }
    void on_parse_complete(Handle handle) { entries_[handle].is_parse_pending = false; }
    // The server skipped the Parse of this entry.
    void on_parse_dropped(Handle handle);
    // A Close for this entry goes out in `batch`: it is gone, unless the server skips the Close.
    void begin_close(Handle handle, uint64_t batch);
    void on_close_complete(Handle handle);
    void on_close_dropped(Handle handle);
    // Something has been parsed in `batch` or later.
    [[nodiscard]] bool has_parsed_since(uint64_t batch) const;
    [[nodiscard]] Handle oldest() const { return tail_; }
    [[nodiscard]] const StatementId& id(Handle handle) const { return entries_[handle].id; }
    [[nodiscard]] bool contains(const StatementId& id) const { return by_id_.contains(id); }
    [[nodiscard]] size_t size() const { return by_id_.size(); }
    // DISCARD ALL, DEALLOCATE ALL: all entries go but those whose Parse is still on its way.
    void forget_parsed();
    void clear();

    // All of it, for another process that goes on with the connection. Handles stay as they are.
    struct Saved {
        StatementId id;
        uint64_t batch = 0;
        uint8_t state = 0;
        bool is_parse_pending = false;
        bool is_discarded = false;
        bool is_outdated = false;  // prepared for tables and types that have changed since
    };
    struct State {
        std::vector<Saved> entries;  // by handle
        std::vector<Handle> order;   // those that the server has, the newest first
    };
    // `schema`: the number of tables' and types' present state, here and in that process.
    [[nodiscard]] State save(uint32_t schema) const;
    // Instead of what was there. False, and empty, when `state` contradicts itself.
    [[nodiscard]] bool restore(const State& state, uint32_t schema);

  private:
    struct Entry {
        StatementId id;
        uint64_t batch = 0;  // of its latest Parse or Close
        uint32_t schema = 0;
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
    [[nodiscard]] bool is_close_undecided(const StatementId& id, uint64_t batch) const;
    void free_entry(Handle handle);
    void link_newest(Handle handle);
    void unlink(Handle handle);

    std::unordered_map<StatementId, Handle, StatementIdHash> by_id_;
    std::vector<Entry> entries_;
    std::vector<Handle> free_;
    uint32_t closing_ = 0;  // entries whose Close is on its way
    Handle head_ = kNone;   // newest
    Handle tail_ = kNone;   // oldest
};

}  // namespace weir
