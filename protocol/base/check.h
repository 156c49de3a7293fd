// Assertion tiers.
//   WEIR_CHECK   always on, aborts: ledger counters, slot generations, list membership, ownership.
//   WEIR_DCHECK  debug, sanitizer and simulator builds only.
//   WEIR_BUG     true when `cond` (an internal contradiction) holds: aborts in debug builds,
//   otherwise
//                counts it and lets the caller take the safe branch (usually: close that pair).
// Never assert what a peer or the operating system can cause.
// Thread: any.
#pragma once

#include <atomic>
#include <cstdint>

namespace weir {

[[noreturn]] void check_failed(const char* expression, const char* file, int line) noexcept;

// Counts a contradiction found in a release build; always returns true. Aborts in debug builds.
bool report_bug(const char* expression, const char* file, int line) noexcept;

// How many contradictions report_bug has seen since the process started.
uint64_t internal_bugs_total() noexcept;

}  // namespace weir

#define WEIR_CHECK(cond) \
    ((cond) ? static_cast<void>(0) : ::weir::check_failed(#cond, __FILE__, __LINE__))
#ifdef NDEBUG
#define WEIR_DCHECK(cond) static_cast<void>(0)
#else
#define WEIR_DCHECK(cond) WEIR_CHECK(cond)
#endif
#define WEIR_BUG(cond) \
    (__builtin_expect(!!(cond), 0) && ::weir::report_bug(#cond, __FILE__, __LINE__))
