// The character data of SASLprep and of normalisation form NFKC, for the code points assigned in
// Unicode 3.2 (all others are prohibited in a prepared string, so nothing is known about them
// here). The data are generated: generate_saslprep_tables.py writes saslprep_tables.cpp. Hangul
// syllables are not in the tables; they follow a formula (nfkc.cpp). Every table is sorted by its
// first member (Composition: by its first two) and its ranges do not overlap.
// Thread: immutable.
#pragma once

#include <cstdint>
#include <span>

namespace weir {

struct CodeRange {  // both ends included
    char32_t first;
    char32_t last;
};

struct CombiningRange {  // code points of one canonical combining class, which is not zero
    char32_t first;
    char32_t last;
    uint8_t combining_class;
};

struct SingleMapping {  // first + i becomes target + i, for first .. last
    char32_t first;
    char32_t last;
    char32_t target;
};

struct SequenceMapping {  // code becomes `length` code points of kSequencePool from `offset` on
    char32_t code;
    uint16_t offset;
    uint8_t length;
};

struct Composition {  // first, second become composed
    char32_t first;
    char32_t second;
    char32_t composed;
};

extern const std::span<const CodeRange> kNonAsciiSpace;    // RFC 3454 C.1.2
extern const std::span<const CodeRange> kMappedToNothing;  // RFC 3454 B.1
extern const std::span<const CodeRange> kProhibited;       // RFC 4013 §2.3 and §2.5 (A.1)
extern const std::span<const CodeRange> kRightToLeft;      // RFC 3454 D.1, "RandALCat"
extern const std::span<const CodeRange> kLeftToRight;      // RFC 3454 D.2, "LCat"
extern const std::span<const CombiningRange> kCombining;

// Full (recursive, reordered) compatibility decompositions, in two tables with disjoint code
// points.
extern const std::span<const SingleMapping> kSingleMappings;
extern const std::span<const SequenceMapping> kSequenceMappings;
extern const std::span<const char32_t> kSequencePool;

extern const std::span<const Composition> kCompositions;  // without the composition exclusions

}  // namespace weir
