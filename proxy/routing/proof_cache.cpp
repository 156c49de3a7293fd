#include "proxy/routing/proof_cache.h"

#include <memory>

namespace weir {

ProofCache::~ProofCache() {
    while (!by_age_.empty())
        drop_oldest();
}

const Proof& ProofCache::proof_of(std::string_view sql) {
    const auto found = by_text_.find(sql);
    if (found != by_text_.end()) {
        ++counters_.hits;
        Entry& entry = *found->second;
        by_age_.remove(entry);
        by_age_.push_back(entry);
        return entry.proof;
    }
    ++counters_.misses;
    last_ = prove_read_only(sql, limits_.text_bytes_max);
    keep(sql);
    return last_;
}

void ProofCache::keep(std::string_view sql) {
    const size_t bytes = sql.size() + kEntryBytes;
    if (sql.size() > limits_.text_bytes_max || limits_.entries == 0 || bytes > limits_.bytes / 16)
        return;
    auto entry = std::make_unique<Entry>();
    entry->text = sql;
    entry->proof = last_;
    by_text_.emplace(std::string_view(entry->text), entry.get());
    bytes_ += bytes;
    by_age_.push_back(*entry.release());
    shrink();
}

void ProofCache::set_limits(const Limits& limits) {
    // Verdicts under the former bound of length would contradict the new one.
    if (limits.text_bytes_max != limits_.text_bytes_max) {
        while (!by_age_.empty())
            drop_oldest();
    }
    limits_ = limits;
    shrink();
}

void ProofCache::shrink() {
    while (by_text_.size() > limits_.entries || bytes_ > limits_.bytes) {
        drop_oldest();
        ++counters_.evictions;
    }
}

void ProofCache::drop_oldest() {
    const std::unique_ptr<Entry> oldest(by_age_.front());
    by_age_.remove(*oldest);
    by_text_.erase(std::string_view(oldest->text));
    bytes_ -= oldest->text.size() + kEntryBytes;
}

}  // namespace weir
