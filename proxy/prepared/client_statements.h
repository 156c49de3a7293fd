// What one client has prepared: its names, and the text it last gave the unnamed statement.
// Empty for most clients and then a few pointers big.
// Owner: the client session. Thread: its worker.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "proxy/prepared/statement.h"

namespace weir {

class ClientStatements {
  public:
    explicit ClientStatements(StatementCache& cache) : cache_(cache) {}
    ~ClientStatements() { clear(); }
    ClientStatements(const ClientStatements&) = delete;
    ClientStatements& operator=(const ClientStatements&) = delete;

    // The statement that the client calls `name`; null when it has none. "" is the unnamed one.
    [[nodiscard]] Statement* find(std::string_view name) const {
        if (name.empty()) return unnamed_;
        const auto found = by_name_.find(name);
        return found == by_name_.end() ? nullptr : found->second;
    }
    // Takes over the caller's reference. False, and the reference is released, when a non-empty
    // name is taken.
    bool insert(std::string_view name, Statement& statement);
    // Nothing happens when there is no such name.
    void erase(std::string_view name);
    // `name`, which is there, means `statement` from now on; takes over the caller's reference.
    void replace(std::string_view name, Statement& statement);
    void forget_unnamed();
    // DISCARD ALL, DEALLOCATE ALL: all names go but those whose Parse is still on its way.
    void forget_confirmed();
    void clear();
    [[nodiscard]] size_t size() const { return by_name_.size(); }

    // A Parse or Close of a named statement takes effect here at once, but is answered later, in
    // order; a server that skips it (an error earlier in the batch) undoes it. `batch` is the
    // tracker's number of the batch it was sent in.
    void expect_parse(std::string_view name, uint64_t batch);
    // Takes `name` out as erase() does, but so that it can come back.
    void expect_close(std::string_view name, uint64_t batch);
    void confirm_oldest();
    void undo_oldest();
    // The unnamed statement that `batch` has prepared deallocates `name`, when it is run; "" = no
    // more.
    void note_deallocate(std::string name, uint64_t batch) {
        deallocates_ = std::move(name);
        deallocates_in_ = batch;
    }
    // Once what was noted: it is run in `batch`. "" when there is nothing, or not of this batch.
    std::string take_deallocate(uint64_t batch) {
        if (deallocates_.empty()) return {};
        std::string name = std::exchange(deallocates_, {});
        return deallocates_in_ == batch ? name : std::string();
    }
    // What `name` will mean in `batch`, the one being sent, depends on an answer that an earlier
    // batch is owed.
    [[nodiscard]] bool is_undecided(std::string_view name, uint64_t batch) const {
        return !unconfirmed_.empty() && has_earlier_change(name, batch);
    }
    // So many answers are outstanding that no more should be: each costs memory, and time to look
    // through.
    [[nodiscard]] bool has_many_unconfirmed() const {
        return unconfirmed_.size() >= kUnconfirmedMax;
    }

    // All of it, for another process that goes on with the session.
    struct Saved {
        std::string name;
        const Statement* statement = nullptr;
    };
    struct SavedChange {
        std::string name;
        uint64_t batch = 0;
        const Statement* before = nullptr;
        bool is_parse = false;
    };
    struct State {
        const Statement* unnamed = nullptr;
        std::vector<Saved> named;
        std::vector<SavedChange> unconfirmed;  // oldest first
    };
    [[nodiscard]] State save() const;
    // A change that was not confirmed yet; takes over the caller's reference to `before`.
    void restore_change(std::string name, uint64_t batch, Statement* before, bool is_parse) {
        unconfirmed_.push_back({std::move(name), batch, before, is_parse});
    }

  private:
    struct Hash {
        using is_transparent = void;
        size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>()(text);
        }
    };
    static constexpr size_t kUnconfirmedMax = 1024;

    struct Change {
        std::string name;
        uint64_t batch = 0;
        Statement* before = nullptr;  // what the name meant before; null = nothing
        bool is_parse = false;
    };
    [[nodiscard]] bool has_earlier_change(std::string_view name, uint64_t batch) const;

    StatementCache& cache_;
    std::vector<Change> unconfirmed_;  // oldest first; short, see kUnconfirmedMax
    Statement* unnamed_ = nullptr;
    std::string deallocates_;
    uint64_t deallocates_in_ = 0;
    std::unordered_map<std::string, Statement*, Hash, std::equal_to<>> by_name_;
};

}  // namespace weir
