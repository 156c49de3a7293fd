#include "proxy/insight/query_table.h"

#include <algorithm>
#include <cstring>

namespace weir {

namespace {

constexpr double kUseFades = 0.95;  // at each clean-up
constexpr size_t kCleanUpShare = 20;

}  // namespace

void QueryStats::add(const QueryStats& other) {
    calls += other.calls;
    preparations += other.preparations;
    errors += other.errors;
    rows += other.rows;
    bytes_in += other.bytes_in;
    bytes_out += other.bytes_out;
    total_us += other.total_us;
    max_us = std::max(max_us, other.max_us);
    wait_us += other.wait_us;
    latency.add(other.latency);
    if (first_seen.is_never() || other.first_seen < first_seen) first_seen = other.first_seen;
    if (other.last_seen < last_seen) return;
    last_seen = other.last_seen;
    if (other.last_error[0] != 0) last_error = other.last_error;
}

void QueryTable::set_rows_max(size_t rows) {
    rows_max_ = std::max<size_t>(rows, 1);
    if (rows_.size() > rows_max_) evict(rows_.size() - rows_max_);
}

void QueryTable::clear() {
    rows_.clear();
    others_ = {};
    evicted_ = 0;
}

QueryTable::Row& QueryTable::row_of(const SampleTexts& texts, const Shape& shape) {
    key_.assign(texts.database);
    key_ += '\0';
    key_ += texts.user;
    key_ += '\0';
    key_.append(reinterpret_cast<const char*>(&shape.digest), sizeof shape.digest);
    // What has no text differs by what it is.
    if (shape.digest == 0) key_ += shape.query;
    const auto known = rows_.find(key_);
    if (known != rows_.end()) return known->second;
    if (rows_.size() >= rows_max_) evict(std::max<size_t>(rows_max_ / kCleanUpShare, 1));
    Row& row = rows_[key_];
    row.stats.database = texts.database;
    row.stats.user = texts.user;
    row.stats.digest = shape.digest;
    row.stats.is_parsed = shape.is_parsed;
    return row;
}

void QueryTable::add(const Sample& sample, const SampleTexts& texts, const Shape& shape) {
    Row& row = row_of(texts, shape);
    QueryStats& stats = row.stats;
    if (stats.query.empty() || row.shape_key != shape.key) {
        row.shape_key = shape.key;
        stats.query = shape.query;
    }
    const uint64_t weight = sample.weight;
    if (sample.kind == SampleKind::Preparation) {
        stats.preparations += weight;
    } else {
        stats.calls += weight;
        stats.latency.record(Duration(static_cast<int64_t>(sample.duration_us)), weight);
    }
    stats.rows += sample.rows * weight;
    stats.bytes_in += sample.bytes_in * weight;
    stats.bytes_out += sample.bytes_out * weight;
    stats.total_us += sample.duration_us * weight;
    stats.wait_us += sample.wait_us * weight;
    stats.max_us = std::max(stats.max_us, sample.duration_us);
    const Instant at{sample.ended_us};
    if (stats.first_seen.is_never() || at < stats.first_seen) stats.first_seen = at;
    stats.last_seen = std::max(stats.last_seen, at);
    if (sample.end != SampleEnd::Answered) stats.errors += weight;
    if (sample.end == SampleEnd::Failed) stats.last_error = sample.sqlstate;
    row.use += static_cast<double>((sample.duration_us + 1) * weight);
}

// Rare: it goes over all rows.
void QueryTable::evict(size_t count) {
    std::vector<std::pair<double, const std::string*>> order;
    order.reserve(rows_.size());
    for (auto& [key, row] : rows_) {
        order.emplace_back(row.use, &key);
        row.use *= kUseFades;
    }
    count = std::min(count, order.size());
    std::nth_element(order.begin(), order.begin() + static_cast<ptrdiff_t>(count) - 1, order.end());
    order.resize(count);
    for (const auto& [use, key] : order) {
        const auto found = rows_.find(*key);
        others_.add(found->second.stats);
        rows_.erase(found);
    }
    evicted_ += count;
}

std::vector<QueryStats> QueryTable::top(size_t most) const {
    std::vector<const QueryStats*> order;
    order.reserve(rows_.size());
    for (const auto& [key, row] : rows_)
        order.push_back(&row.stats);
    most = std::min(most, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(most), order.end(),
                      [](const QueryStats* a, const QueryStats* b) {
                          if (a->total_us != b->total_us) return a->total_us > b->total_us;
                          return a->digest < b->digest;
                      });
    std::vector<QueryStats> out;
    out.reserve(most);
    for (size_t i = 0; i < most; ++i)
        out.push_back(*order[i]);
    return out;
}

size_t QueryTable::bytes() const {
    size_t bytes = 0;
    for (const auto& [key, row] : rows_)
        bytes += sizeof(Row) + 64 + key.capacity() + row.stats.query.capacity();
    return bytes;
}

}  // namespace weir
