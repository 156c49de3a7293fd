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

void ClientStatements::replace(std::string_view name, Statement& statement) {
    Statement*& meant = by_name_.find(name)->second;
    cache_.release(*meant);
    meant = &statement;
}

void ClientStatements::forget_unnamed() {
    if (unnamed_ != nullptr) cache_.release(*unnamed_);
    unnamed_ = nullptr;
}

void ClientStatements::expect_parse(std::string_view name, uint64_t batch) {
    unconfirmed_.push_back({std::string(name), batch, nullptr, true});
}

bool ClientStatements::has_earlier_change(std::string_view name, uint64_t batch) const {
    return std::any_of(unconfirmed_.begin(), unconfirmed_.end(), [&](const Change& change) {
        return change.batch != batch && change.name == name;
    });
}

void ClientStatements::expect_close(std::string_view name, uint64_t batch) {
    Change change{std::string(name), batch, nullptr, false};
    const auto found = by_name_.find(name);
    if (found != by_name_.end()) {
        change.before = found->second;
        by_name_.erase(found);
    }
    unconfirmed_.push_back(std::move(change));
}

void ClientStatements::confirm_oldest() {
    if (unconfirmed_.empty()) return;
    if (unconfirmed_.front().before != nullptr) cache_.release(*unconfirmed_.front().before);
    unconfirmed_.erase(unconfirmed_.begin());
}

// The name's history from here on: later changes of the same name in the batch were made on top of
// this one, and are undone after it. So a change is taken back where it will be looked at next: in
// the first later change that remembers what the name meant before, else in the table.
void ClientStatements::undo_oldest() {
    if (unconfirmed_.empty()) return;
    const Change change = std::move(unconfirmed_.front());
    unconfirmed_.erase(unconfirmed_.begin());
    const auto is_same = [&](const Change& later) { return later.name == change.name; };
    const auto later = std::find_if(unconfirmed_.begin(), unconfirmed_.end(), is_same);
    if (later != unconfirmed_.end()) {
        // Before the later change the name meant what it meant before this one.
        if (later->before != nullptr) cache_.release(*later->before);
        later->before = change.before;
        return;
    }
    erase(change.name);
    if (change.before != nullptr) by_name_.emplace(change.name, change.before);
}

void ClientStatements::forget_confirmed() {
    // Answers come in order: all that is unconfirmed was sent behind what is answered now.
    const auto is_parsed_before = [this](std::string_view name, auto end) {
        return std::any_of(unconfirmed_.begin(), end, [name](const Change& change) {
            return change.is_parse && change.name == name;
        });
    };
    for (auto entry = by_name_.begin(); entry != by_name_.end();) {
        if (is_parsed_before(entry->first, unconfirmed_.end())) {
            ++entry;
            continue;
        }
        cache_.release(*entry->second);
        entry = by_name_.erase(entry);
    }
    // What a Close would bring back is gone, too, unless its Parse is on its way as well.
    for (auto change = unconfirmed_.begin(); change != unconfirmed_.end(); ++change) {
        if (change->before == nullptr || is_parsed_before(change->name, change)) continue;
        cache_.release(*change->before);
        change->before = nullptr;
    }
}

ClientStatements::State ClientStatements::save() const {
    State out;
    out.unnamed = unnamed_;
    for (const auto& [name, statement] : by_name_)
        out.named.push_back({name, statement});
    for (const Change& change : unconfirmed_)
        out.unconfirmed.push_back({change.name, change.batch, change.before, change.is_parse});
    return out;
}

void ClientStatements::clear() {
    forget_unnamed();
    for (const Change& change : unconfirmed_) {
        if (change.before != nullptr) cache_.release(*change.before);
    }
    unconfirmed_.clear();
    for (const auto& entry : by_name_)
        cache_.release(*entry.second);
    by_name_.clear();
}

}  // namespace weir
