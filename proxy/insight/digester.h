// Digester: from a text as it was sent to its digest and to what may be shown of it.
//
//   text  --hash-->  shape  --hash-->  digest
//
// The *shape* is the text with its literals masked (leaks/query_text), which is cheap; only a shape
// that is not known is parsed for its fingerprint. What is shown is the shape and never what the
// parser makes of a text: it knows literals in expressions, but not those in SET, COMMENT, NOTIFY,
// DO or passwords, whereas a mask of every literal token can let none through.
//
// The digest is the fingerprint; of what cannot be parsed, is cut, or comes while the budget of
// parsing is used up, it is a hash of the shape. Both caches keep what was used lately, within
// bounds. Keys are SipHash with a secret key: nobody can have his text counted as another.
//
// Owner: InsightLoop. Thread: the insight thread's.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "protocol/base/clock.h"
#include "protocol/base/siphash.h"
#include "proxy/insight/sample.h"

namespace weir {

struct Shape {
    uint64_t key = 0;     // of the shape; tells whether `query` is another than before
    uint64_t digest = 0;  // 0 = there is no text
    std::string query;
    bool is_parsed = false;
};

class Digester {
  public:
    struct Counters {
        uint64_t parsed = 0;       // shapes that have their fingerprint
        uint64_t unparsed = 0;     // ... that the parser refused, or that were cut
        uint64_t over_budget = 0;  // ... that came too fast
    };
    // Share of one core that parsing may take, and how long it may go on at once.
    static constexpr double kParseShare = 0.05;
    static constexpr Duration kParseBurst = std::chrono::milliseconds(250);

    Digester(const SipKey& key, Clock& clock) : key_(key), clock_(clock) {}

    // Valid until the next call.
    const Shape& shape_of(const Sample& sample, std::string_view sql);

    [[nodiscard]] const Counters& counters() const { return counters_; }
    [[nodiscard]] size_t bytes() const { return texts_.bytes() + shapes_.bytes(); }

  private:
    // Two generations: when the young one is full, the old one is forgotten. What is used is young
    // again.
    template <typename Value>
    class Cache {
      public:
        Cache(size_t entries_max, size_t bytes_max)
            : entries_max_(entries_max), bytes_max_(bytes_max) {}

        const Value* find(uint64_t key) {
            if (const auto young = young_.find(key); young != young_.end()) return &young->second;
            const auto old = old_.find(key);
            if (old == old_.end()) return nullptr;
            return &insert(key, Value(old->second), old_bytes_of(key));
        }
        // `bytes` that the value has outside of itself.
        const Value& insert(uint64_t key, Value value, size_t bytes) {
            if (young_.size() >= entries_max_ || young_bytes_ >= bytes_max_) {
                old_.swap(young_);
                young_.clear();
                old_bytes_ = young_bytes_;
                young_bytes_ = 0;
            }
            young_bytes_ += bytes + kNodeBytes;
            return young_.insert_or_assign(key, std::move(value)).first->second;
        }
        [[nodiscard]] size_t bytes() const { return young_bytes_ + old_bytes_; }

      private:
        static constexpr size_t kNodeBytes = 64 + sizeof(Value);
        size_t old_bytes_of(uint64_t key) const { return extra_bytes(old_.at(key)); }

        const size_t entries_max_, bytes_max_;
        std::unordered_map<uint64_t, Value> young_, old_;
        size_t young_bytes_ = 0, old_bytes_ = 0;
    };
    static size_t extra_bytes(const Shape& shape) { return shape.query.capacity(); }
    static size_t extra_bytes(uint64_t) { return 0; }

    const Shape* find_by_text(uint64_t text_key);
    const Shape& fixed(uint64_t digest, const char* query);
    const Shape& learn(const Sample& sample, std::string_view sql);
    void fingerprint_within_budget(Shape& shape, std::string_view sql);

    const SipKey key_;
    Clock& clock_;
    Cache<uint64_t> texts_{16384, 4 * 1024 * 1024};  // to the shape's key
    Cache<Shape> shapes_{8192, 4 * 1024 * 1024};
    Shape fixed_;
    Instant refilled_at_;
    double parse_us_left_ = 0;
    Counters counters_;
};

}  // namespace weir
