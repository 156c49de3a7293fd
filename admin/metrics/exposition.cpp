#include "admin/metrics/exposition.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "protocol/base/check.h"
#include "protocol/base/utf8.h"

namespace weir {

namespace {

prometheus::MetricType type_of(MetricKind kind) {
    switch (kind) {
        case MetricKind::Counter: return prometheus::MetricType::Counter;
        case MetricKind::Gauge: return prometheus::MetricType::Gauge;
        case MetricKind::Histogram: return prometheus::MetricType::Histogram;
    }
    return prometheus::MetricType::Untyped;  // uncovered: every enumerator is above
}

}  // namespace

std::string as_label(std::string_view value) {
    std::string out;
    while (!value.empty()) {
        const size_t bytes = utf8_character_bytes(value);
        if (bytes == 0) {
            char hex[5];
            std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<uint8_t>(value[0]));
            out += hex;
        } else {
            out += value.substr(0, bytes);
        }
        value.remove_prefix(std::max(bytes, size_t{1}));
    }
    return out;
}

prometheus::ClientMetric& Exposition::sample(Metric metric, Labels labels) {
    prometheus::ClientMetric& out = families_[static_cast<size_t>(metric)].metric.emplace_back();
    std::string_view names = spec_of(metric).labels;
    for (const std::string_view value : labels) {
        WEIR_CHECK(!names.empty());
        const size_t comma = std::min(names.find(','), names.size());
        out.label.push_back({std::string(names.substr(0, comma)), as_label(value)});
        names.remove_prefix(std::min(comma + 1, names.size()));
    }
    WEIR_CHECK(names.empty());
    return out;
}

void Exposition::add(Metric metric, Labels labels, double value) {
    prometheus::ClientMetric& out = sample(metric, labels);
    spec_of(metric).kind == MetricKind::Counter ? void(out.counter.value = value)
                                                : void(out.gauge.value = value);
}

void Exposition::add(Metric metric, Labels labels, const HistogramTotals& totals) {
    WEIR_CHECK(spec_of(metric).kind == MetricKind::Histogram);
    prometheus::ClientMetric::Histogram& out = sample(metric, labels).histogram;
    uint64_t count = 0;
    for (size_t i = 0; i < histogram::kBounds; ++i) {
        count += totals.buckets[i];
        if (i % 2 == 0) out.bucket.push_back({count, histogram::bound_seconds(i)});
    }
    out.sample_count = count + totals.buckets[histogram::kBounds];
    out.sample_sum = static_cast<double>(totals.sum_us) / 1e6;
}

std::string Exposition::take_text() {
    std::vector<prometheus::MetricFamily> out;
    for (const MetricSpec& spec : metric_table()) {
        prometheus::MetricFamily& family = families_[static_cast<size_t>(spec.metric)];
        if (family.metric.empty()) continue;
        out.push_back(std::exchange(family, {}));
        out.back().name = spec.name;
        out.back().help = spec.help;
        out.back().type = type_of(spec.kind);
    }
    return prometheus::TextSerializer().Serialize(out);
}

}  // namespace weir
