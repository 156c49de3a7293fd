#include "proxy/insight/digester.h"

#include <algorithm>

#include "protocol/base/bytes.h"
#include "proxy/insight/fingerprint.h"
#include "proxy/leaks/query_text.h"
#include "proxy/routing/sql_shape.h"

namespace weir {

const Shape& Digester::shape_of(const Sample& sample, std::string_view sql) {
    if (sample.kind == SampleKind::FunctionCall) return fixed(0, "(function call)");
    if (!sql.empty()) {
        const uint64_t text_key =
            sample.text_key != 0 ? sample.text_key : siphash(key_, as_bytes(sql));
        // A text of a session that reads it otherwise is another one.
        if (sample.is_opaque) return learn(sample, sql);
        if (const Shape* known = find_by_text(text_key)) return *known;
        const Shape& shape = learn(sample, sql);
        texts_.insert(text_key, shape.key, 0);
        return shape;
    }
    if (sample.text_key == 0) return fixed(0, "(no statement)");
    if (const Shape* known = find_by_text(sample.text_key)) return *known;
    return fixed(0, "(prepared statement, its text was not seen)");
}

const Shape* Digester::find_by_text(uint64_t text_key) {
    const uint64_t* shape_key = texts_.find(text_key);
    return shape_key == nullptr ? nullptr : shapes_.find(*shape_key);
}

const Shape& Digester::fixed(uint64_t digest, const char* query) {
    fixed_ = {digest, digest, query, false};
    return fixed_;
}

const Shape& Digester::learn(const Sample& sample, std::string_view sql) {
    std::string query;
    if (sample.is_opaque) {
        const std::string word = shown_text(weir::shape_of(sql).first_word, 32);
        query = "(" + word + " ...: not shown, strings of this session are not standard)";
    } else {
        query = normalise_query(sql) + (sample.is_cut ? "..." : "");
    }
    const uint64_t shape_key = siphash(key_, as_bytes(query));
    if (const Shape* known = shapes_.find(shape_key)) return *known;
    Shape shape{shape_key, query_digest(query), std::move(query), false};
    if (sample.is_opaque || sample.is_cut) {
        ++counters_.unparsed;
    } else {
        fingerprint_within_budget(shape, sql);
    }
    const size_t bytes = extra_bytes(shape);
    return shapes_.insert(shape_key, std::move(shape), bytes);
}

void Digester::fingerprint_within_budget(Shape& shape, std::string_view sql) {
    const Instant begin = clock_.now();
    const auto burst_us = static_cast<double>(kParseBurst.count());
    const double earned = refilled_at_.is_never()
                              ? burst_us
                              : static_cast<double>((begin - refilled_at_).count()) * kParseShare;
    parse_us_left_ = std::min(parse_us_left_ + earned, burst_us);
    refilled_at_ = begin;
    if (parse_us_left_ <= 0) {
        ++counters_.over_budget;
        return;
    }
    const std::optional<uint64_t> found = fingerprint(sql);
    parse_us_left_ -= static_cast<double>((clock_.now() - begin).count());
    if (!found) {
        ++counters_.unparsed;
        return;
    }
    ++counters_.parsed;
    shape.digest = *found;
    shape.is_parsed = true;
}

}  // namespace weir
