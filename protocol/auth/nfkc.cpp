#include "protocol/auth/nfkc.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "protocol/auth/saslprep_tables.h"

namespace weir {

namespace {

// Hangul syllables are computed (Unicode Standard §3.12): L * 588 + V * 28 + T.
constexpr char32_t kSyllableBase = 0xAC00;
constexpr char32_t kLeadBase = 0x1100;
constexpr char32_t kVowelBase = 0x1161;
constexpr char32_t kTrailBase = 0x11A7;  // one before the first trailing consonant
constexpr char32_t kLeadCount = 19;
constexpr char32_t kVowelCount = 21;
constexpr char32_t kTrailCount = 28;  // with "none"
constexpr char32_t kSyllableCount = kLeadCount * kVowelCount * kTrailCount;

// The last entry of `table` that begins at or before `code`; nothing when all begin later.
template <typename Entry>
const Entry* last_from(std::span<const Entry> table, char32_t code, char32_t Entry::*begin) {
    const auto next =
        std::upper_bound(table.begin(), table.end(), code,
                         [begin](char32_t value, const Entry& e) { return value < e.*begin; });
    return next == table.begin() ? nullptr : &*(next - 1);
}

uint8_t combining_class(char32_t code) {
    const CombiningRange* range = last_from(kCombining, code, &CombiningRange::first);
    return range != nullptr && code <= range->last ? range->combining_class : uint8_t{0};
}

void append_decomposed(char32_t code, CodePoints& out) {
    if (code >= kSyllableBase && code < kSyllableBase + kSyllableCount) {
        const char32_t index = code - kSyllableBase;
        out.push_back(kLeadBase + index / (kVowelCount * kTrailCount));
        out.push_back(kVowelBase + index / kTrailCount % kVowelCount);
        if (index % kTrailCount != 0) out.push_back(kTrailBase + index % kTrailCount);
        return;
    }
    const SingleMapping* single = last_from(kSingleMappings, code, &SingleMapping::first);
    if (single != nullptr && code <= single->last) {
        out.push_back(single->target + (code - single->first));
        return;
    }
    const SequenceMapping* many = last_from(kSequenceMappings, code, &SequenceMapping::code);
    if (many != nullptr && code == many->code) {
        const auto sequence = kSequencePool.subspan(many->offset, many->length);
        out.insert(out.end(), sequence.begin(), sequence.end());
        return;
    }
    out.push_back(code);
}

struct Marked {  // a code point with its class and its place, for sorting
    char32_t code;
    uint8_t combining_class;
    size_t position;
};
using MarkedPoints = std::vector<Marked, CleansingAllocator<Marked>>;

// Canonical ordering: within each run of marks (class not zero) the classes ascend, stably. Not
// std::stable_sort, whose scratch memory would keep part of the secret.
MarkedPoints reordered(const CodePoints& text) {
    MarkedPoints marked;
    marked.reserve(text.size());
    for (const char32_t code : text) {
        marked.push_back({code, combining_class(code), marked.size()});
    }
    const auto is_starter = [](const Marked& m) { return m.combining_class == 0; };
    const auto by_class = [](const Marked& a, const Marked& b) {
        return std::tie(a.combining_class, a.position) < std::tie(b.combining_class, b.position);
    };
    auto begin = marked.begin();
    while (begin != marked.end()) {
        begin = std::find_if_not(begin, marked.end(), is_starter);
        const auto end = std::find_if(begin, marked.end(), is_starter);
        std::sort(begin, end, by_class);
        begin = end;
    }
    return marked;
}

// The primary composite of two code points, if they have one.
std::optional<char32_t> composed(char32_t first, char32_t second) {
    if (first >= kLeadBase && first < kLeadBase + kLeadCount && second >= kVowelBase &&
        second < kVowelBase + kVowelCount) {
        return kSyllableBase +
               ((first - kLeadBase) * kVowelCount + (second - kVowelBase)) * kTrailCount;
    }
    if (first >= kSyllableBase && first < kSyllableBase + kSyllableCount &&
        (first - kSyllableBase) % kTrailCount == 0 && second > kTrailBase &&
        second < kTrailBase + kTrailCount) {
        return first + (second - kTrailBase);
    }
    const auto wanted = std::make_pair(first, second);
    const auto found = std::lower_bound(kCompositions.begin(), kCompositions.end(), wanted,
                                        [](const Composition& c, const auto& pair) {
                                            return std::make_pair(c.first, c.second) < pair;
                                        });
    if (found == kCompositions.end() || found->first != first || found->second != second) {
        return std::nullopt;
    }
    return found->composed;
}

// Canonical composition: each code point joins the last starter unless something between blocks it,
// that is a starter or a mark whose class is not lower.
CodePoints compose(const MarkedPoints& text) {
    CodePoints out;
    out.reserve(text.size());
    std::optional<size_t> starter;  // index in `out`
    uint8_t last_class = 0;         // of the last code point of `out` after the starter; 0 = none
    for (const Marked& next : text) {
        const bool adjacent = starter && *starter + 1 == out.size();
        const bool blocked = !adjacent && last_class >= next.combining_class;
        const auto joined = starter && !blocked ? composed(out[*starter], next.code) : std::nullopt;
        if (joined) {
            out[*starter] = *joined;
            continue;
        }
        out.push_back(next.code);
        last_class = next.combining_class;
        if (next.combining_class == 0) starter = out.size() - 1;
    }
    return out;
}

}  // namespace

CodePoints to_nfkc(const CodePoints& text) {
    CodePoints decomposed;
    decomposed.reserve(text.size());
    for (const char32_t code : text) {
        append_decomposed(code, decomposed);
    }
    return compose(reordered(decomposed));
}

}  // namespace weir
