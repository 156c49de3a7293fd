#include "proxy/insight/query_trace.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace weir {

// Texts of requests in flight lie behind one another, from that of the oldest on, and go round.
QueryTrace::Room QueryTrace::room() const {
    if (count_ == 0) return {0, kTextBytes};
    const size_t oldest = requests_[head_].at;
    const Request& newest = requests_[(head_ + count_ - 1) % kRequestsMax];
    const size_t end = size_t{newest.at} + newest.bytes;
    if (end < oldest || (end == oldest && count_ > 1)) return {end, oldest - end};
    if (kTextBytes - end >= kSampleTextBytesMax) return {end, kTextBytes - end};
    return {0, oldest};
}

void QueryTrace::note(std::string_view text) {
    open_.key = 0;
    open_.bytes = 0;
    open_.is_cut = open_.defines = false;
    if (untold_ > 0) return;
    const Room room = this->room();
    const size_t most = std::min(room.bytes, kSampleTextBytesMax);
    const size_t bytes = std::min(text.size(), most);
    std::memcpy(texts_.data() + room.at, text.data(), bytes);
    const auto* end = static_cast<const char*>(std::memchr(texts_.data() + room.at, '\0', bytes));
    open_.at = static_cast<uint16_t>(room.at);
    if (end != nullptr) {
        open_.bytes = static_cast<uint16_t>(end - (texts_.data() + room.at));
    } else {
        open_.bytes = static_cast<uint16_t>(bytes);
        open_.is_cut = bytes == text.size() || text[bytes] != '\0';
    }
}

void QueryTrace::note_key(uint64_t key) {
    open_.key = key;
    open_.bytes = 0;
    open_.is_cut = open_.defines = false;
}

void QueryTrace::close() {
    if (untold_ > 0 || count_ == kRequestsMax) {
        ++untold_;
    } else {
        if (open_.bytes == 0) open_.at = static_cast<uint16_t>(room().at);
        if (!open_.executes && open_.kind == SampleKind::Query)
            open_.kind = SampleKind::Preparation;
        requests_[(head_ + count_) % kRequestsMax] = open_;
        ++count_;
    }
    open_ = {};
}

QueryTrace::Request QueryTrace::finish() {
    if (count_ == 0) {
        if (untold_ > 0) --untold_;
        return {};
    }
    const Request oldest = requests_[head_];
    head_ = (head_ + 1) % kRequestsMax;
    --count_;
    return oldest;
}

void QueryTrace::next(uint32_t in_flight) {
    bytes_in = bytes_out = rows = wait_us = 0;
    sqlstate[0] = 0;
    while (count_ + untold_ > in_flight)
        (void)finish();
}

void QueryTrace::define(std::string_view name, uint64_t key) {
    const uint64_t hash = std::hash<std::string_view>()(name) | 1;
    names_[hash / 2 % kNames] = {hash, key};
    has_names_ = true;
}

uint64_t QueryTrace::find(std::string_view name) const {
    const uint64_t hash = std::hash<std::string_view>()(name) | 1;
    const Name& known = names_[hash / 2 % kNames];
    return known.hash == hash ? known.key : 0;
}

void QueryTrace::forget_names() {
    names_ = {};
    has_names_ = false;
}

}  // namespace weir
