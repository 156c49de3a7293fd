// What one client has prepared: its names, and the text it last gave the unnamed statement.
// Empty for most clients and then a few pointers big.
// Owner: the client session. Thread: its worker.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
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
    void forget_unnamed();
    // DISCARD ALL, DEALLOCATE ALL: all names go but those whose Parse is still on its way.
    void forget_confirmed();
    void clear();
    [[nodiscard]] size_t size() const { return by_name_.size(); }

    // A Parse or Close of a named statement takes effect here at once, but is answered later, in
    // order; a server that skips it (an error earlier in the batch) undoes it.
    void expect_parse(std::string_view name);
    // Takes `name` out as erase() does, but so that it can come back.
    void expect_close(std::string_view name);
    void confirm_oldest();
    void undo_oldest();

  private:
    struct Hash {
        using is_transparent = void;
        size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>()(text);
        }
    };
    struct Change {
        std::string name;
        Statement* before = nullptr;  // what the name meant before; null = nothing
        bool is_parse = false;
    };
    StatementCache& cache_;
    std::vector<Change> unconfirmed_;  // oldest first; short
    Statement* unnamed_ = nullptr;
    std::unordered_map<std::string, Statement*, Hash, std::equal_to<>> by_name_;
};

}  // namespace weir
