#include "proxy/runtime/host_table.h"

#include "proxy/runtime/address.h"

namespace weir {

HostTable::Answer HostTable::lookup(const std::string& host, Instant now) {
    Answer answer;
    if (Address::from_ip(host, 0)) {
        answer.kind = Answer::Kind::Known;
        answer.ip = host;
        return answer;
    }
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[host];
    const bool is_stale = entry.until <= now;
    if (is_stale && !entry.is_asked) {
        entry.is_asked = true;
        answer.must_resolve = true;
    }
    if (!entry.ips.empty() && !is_stale) {
        answer.kind = Answer::Kind::Known;
        answer.ip = entry.ips[entry.next++ % entry.ips.size()];
    } else if (!is_stale && !entry.error.empty()) {
        answer.kind = Answer::Kind::Failed;
        answer.error = entry.error;
    }
    return answer;
}

void HostTable::put(const std::string& host, std::vector<std::string> ips, Instant fresh_until) {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[host];
    entry.ips = std::move(ips);
    entry.error.clear();
    entry.is_asked = false;
    entry.until = fresh_until;
}

void HostTable::put_failure(const std::string& host, std::string error, Instant until) {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[host];
    entry.ips.clear();
    entry.error = std::move(error);
    entry.is_asked = false;
    entry.until = until;
}

size_t HostTable::size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
}

std::vector<HostTable::Row> HostTable::rows() const {
    const std::lock_guard lock(mutex_);
    std::vector<Row> out;
    for (const auto& [host, entry] : entries_)
        out.push_back({host, entry.ips, entry.until, entry.is_asked});
    return out;
}

}  // namespace weir
