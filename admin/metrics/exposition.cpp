#include "admin/metrics/exposition.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "protocol/base/check.h"

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

// Bytes of the character that `text` begins with; 0 when that is none (RFC 3629, section 4, but
// for overlong forms and surrogates of three bytes, which it looks at by their second byte).
size_t character_bytes(std::string_view text) {
    const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
    const uint8_t first = byte(0);
    const size_t bytes = first < 0x80                     ? 1
                         : first >= 0xc2 && first <= 0xdf ? 2
                         : first >= 0xe0 && first <= 0xef ? 3
                         : first >= 0xf0 && first <= 0xf4 ? 4
                                                          : 0;
    if (bytes == 0 || bytes > text.size()) return 0;
    for (size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
    }
    const bool is_wrong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
                          (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f);
    return is_wrong ? 0 : bytes;
}

}  // namespace

std::string as_label(std::string_view value) {
    std::string out;
    while (!value.empty()) {
        const size_t bytes = character_bytes(value);
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
