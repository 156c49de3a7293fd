#include "proxy/prepared/client_statements.h"

#include <algorithm>

namespace weir {

bool ClientStatements::insert(std::string_view name, Statement& statement) {
    if (name.empty()) {
        forget_unnamed();
        unnamed_ = &statement;
        return true;
    }
    if (by_name_.emplace(name, &statement).second) return true;
    cache_.release(statement);
    return false;
}

void ClientStatements::erase(std::string_view name) {
    if (name.empty()) return forget_unnamed();
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return;
    cache_.release(*found->second);
    by_name_.erase(found);
}

void ClientStatements::forget_unnamed() {
    if (unnamed_ != nullptr) cache_.release(*unnamed_);
    unnamed_ = nullptr;
}

void ClientStatements::expect_parse(std::string_view name) {
    unconfirmed_.push_back({std::string(name), nullptr, true});
}

void ClientStatements::expect_close(std::string_view name) {
    Change change{std::string(name), nullptr, false};
    const auto found = by_name_.find(name);
    if (found != by_name_.end()) {
        change.closed = found->second;
        by_name_.erase(found);
    }
    unconfirmed_.push_back(std::move(change));
}

void ClientStatements::confirm_oldest() {
    if (unconfirmed_.empty()) return;
    if (unconfirmed_.front().closed != nullptr) cache_.release(*unconfirmed_.front().closed);
    unconfirmed_.erase(unconfirmed_.begin());
}

void ClientStatements::undo_oldest() {
    if (unconfirmed_.empty()) return;
    const Change change = std::move(unconfirmed_.front());
    unconfirmed_.erase(unconfirmed_.begin());
    if (change.is_parse) {
        erase(change.name);
    } else if (change.closed != nullptr) {
        insert(change.name, *change.closed);
    }
}

void ClientStatements::forget_confirmed() {
    for (auto entry = by_name_.begin(); entry != by_name_.end();) {
        const auto is_pending = [&](const Change& c) {
            return c.is_parse && c.name == entry->first;
        };
        if (std::any_of(unconfirmed_.begin(), unconfirmed_.end(), is_pending)) {
            ++entry;
            continue;
        }
        cache_.release(*entry->second);
        entry = by_name_.erase(entry);
    }
}

void ClientStatements::clear() {
    forget_unnamed();
    for (const Change& change : unconfirmed_) {
        if (change.closed != nullptr) cache_.release(*change.closed);
    }
    unconfirmed_.clear();
    for (const auto& entry : by_name_)
        cache_.release(*entry.second);
    by_name_.clear();
}

}  // namespace weir
