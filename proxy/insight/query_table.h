// QueryTable: QueryStats by (database, user, digest), a bounded number of them. When a new one
// finds no room the twentieth of them with the least use goes: use is time, an old one's less from
// one clean-up to the next, so that a storm of queries that come once does not push out what the
// server is busy with. What went is added to `others`, so sums stay right.
//
// Owner: InsightLoop. Thread: the insight thread's.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/insight/digester.h"
#include "proxy/insight/query_stats.h"
#include "proxy/insight/sample.h"

namespace weir {

class QueryTable {
  public:
    // Fewer than there are: some go at once.
    void set_rows_max(size_t rows);
    void add(const Sample& sample, const SampleTexts& texts, const Shape& shape);
    void clear();

    // The `most` with the longest total time.
    [[nodiscard]] std::vector<QueryStats> top(size_t most) const;
    [[nodiscard]] const QueryStats& others() const { return others_; }
    [[nodiscard]] size_t size() const { return rows_.size(); }
    [[nodiscard]] uint64_t evicted() const { return evicted_; }
    [[nodiscard]] size_t bytes() const;

  private:
    struct Row {
        QueryStats stats;
        uint64_t shape_key = 0;
        double use = 0;
    };
    Row& row_of(const SampleTexts& texts, const Shape& shape);
    void evict(size_t count);

    std::unordered_map<std::string, Row> rows_;
    std::string key_;  // scratch
    QueryStats others_;
    size_t rows_max_ = 1000;
    uint64_t evicted_ = 0;
};

}  // namespace weir
