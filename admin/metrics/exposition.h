// Exposition: samples of the metrics in the table, and their text in Prometheus' format 0.0.4.
// Owner: whoever answers a scrape. Thread: the owner's.
#pragma once

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>

#include <prometheus/metric_family.h>

#include "admin/metrics/metric_table.h"
#include "protocol/base/histogram.h"

namespace weir {

// What Content-Type says of the text.
constexpr std::string_view kExpositionType = "text/plain; version=0.0.4; charset=utf-8";

class Exposition {
  public:
    using Labels = std::initializer_list<std::string_view>;

    // A sample of a counter or gauge; `labels` are the values of the table's labels, in order.
    void add(Metric metric, Labels labels, double value);
    void add(Metric metric, double value) { add(metric, {}, value); }
    // A sample of a histogram.
    void add(Metric metric, Labels labels, const HistogramTotals& totals);

    // All that have samples, in the order of the table; nothing is left of them.
    [[nodiscard]] std::string take_text();

  private:
    prometheus::ClientMetric& sample(Metric metric, Labels labels);

    std::array<prometheus::MetricFamily, static_cast<size_t>(Metric::kCount)> families_;
};

// A label's value, which must be UTF-8: other bytes become \xff.
[[nodiscard]] std::string as_label(std::string_view value);

}  // namespace weir
