#include "proxy/runtime/host_table.h"

#include <algorithm>
#include <utility>

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

bool HostTable::begin_lookup(const std::string& host) {
    const std::lock_guard lock(mutex_);
    return !std::exchange(entries_[host].is_asked, true);
}

std::vector<std::string> HostTable::put(const std::string& host, std::vector<std::string> ips,
                                        Instant fresh_until) {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[host];
    std::vector<std::string> gone;
    for (const std::string& before : entry.last_good) {
        if (std::find(ips.begin(), ips.end(), before) == ips.end()) gone.push_back(before);
    }
    entry.last_good = ips;
    entry.ips = std::move(ips);
    entry.error.clear();
    entry.is_asked = false;
    entry.until = fresh_until;
    return gone;
}

bool HostTable::is_current(const std::string& host, const std::string& ip) const {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(host);
    if (found == entries_.end() || found->second.last_good.empty()) return true;
    const std::vector<std::string>& ips = found->second.last_good;
    return std::find(ips.begin(), ips.end(), ip) != ips.end();
}

void HostTable::put_failure(const std::string& host, std::string error, Instant until) {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[host];
    entry.ips.clear();
    entry.error = std::move(error);
    entry.is_asked = false;
    entry.until = until;
}

std::vector<HostTable::Row> HostTable::rows() const {
    const std::lock_guard lock(mutex_);
    std::vector<Row> out;
    for (const auto& [host, entry] : entries_)
        out.push_back({host, entry.ips, entry.until, entry.is_asked});
    return out;
}

size_t HostTable::size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
}

}  // namespace weir
