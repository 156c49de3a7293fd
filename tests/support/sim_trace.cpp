#include "tests/support/sim_trace.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace weir::sim {

namespace {

SimTrace* current = nullptr;

void on_death(int number) {
    std::signal(number, SIG_DFL);
    if (current != nullptr) current->print();
    std::raise(number);
}

}  // namespace

SimTrace::SimTrace(uint64_t seed)
    : seed_(seed), is_verbose_(std::getenv("WEIR_SIM_VERBOSE") != nullptr) {
    current = this;
    std::signal(SIGABRT, on_death);
    std::signal(SIGSEGV, on_death);
}

SimTrace::~SimTrace() {
    current = nullptr;
    std::signal(SIGABRT, SIG_DFL);
    std::signal(SIGSEGV, SIG_DFL);
}

void SimTrace::note(const char* what, int64_t a, int64_t b, int64_t c) {
    if (is_verbose_) {
        say(std::string(what) + " " + std::to_string(a) + " " + std::to_string(b) + " " +
            std::to_string(c));
    }
    entries_[count_++ % kEntries] = {what, now_us_, a, b, c};
}

void SimTrace::say(const std::string& text) const {
    std::fprintf(stderr, "%10lld us  %s\n", static_cast<long long>(now_us_), text.c_str());
}

void SimTrace::fail(std::string text) {
    if (failure_.empty()) failure_ = std::move(text);
}

void SimTrace::print() const {
    std::fprintf(stderr, "plan: %s\n", plan_.c_str());
    for (size_t i = count_ < kEntries ? 0 : count_ - kEntries; i < count_; ++i) {
        const Entry& entry = entries_[i % kEntries];
        std::fprintf(stderr, "%10lld us  %s %lld %lld %lld\n", static_cast<long long>(entry.at),
                     entry.what, static_cast<long long>(entry.a), static_cast<long long>(entry.b),
                     static_cast<long long>(entry.c));
    }
    std::fprintf(stderr, "FAILED seed %llu: %s  (replay: WEIR_SIM_SEED=%llu build/weir-sim)\n",
                 static_cast<unsigned long long>(seed_),
                 failure_.empty() ? "aborted" : failure_.c_str(),
                 static_cast<unsigned long long>(seed_));
}

}  // namespace weir::sim
