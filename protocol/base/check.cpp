#include "protocol/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace weir {

namespace {
// Constant-initialised: no start-up code runs for it.
std::atomic<uint64_t> bugs{0};
}  // namespace

void check_failed(const char* expression, const char* file, int line) noexcept {
    std::fprintf(stderr, "weir: CHECK failed: %s at %s:%d\n", expression, file, line);
    std::abort();
}

bool report_bug(const char* expression, const char* file, int line) noexcept {
    std::fprintf(stderr, "weir: BUG: %s at %s:%d\n", expression, file, line);
    bugs.fetch_add(1, std::memory_order_relaxed);
#ifndef NDEBUG
    std::abort();
#endif
    return true;
}

uint64_t internal_bugs_total() noexcept {
    return bugs.load(std::memory_order_relaxed);
}

}  // namespace weir
