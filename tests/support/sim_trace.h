// SimTrace: what happened last in a simulated world, and the first thing that went wrong. One is
// current at a time, so that an abort inside product code prints the seed and the last events, too.
// Thread: one.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace weir::sim {

class SimTrace {
  public:
    explicit SimTrace(uint64_t seed);
    ~SimTrace();
    SimTrace(const SimTrace&) = delete;
    SimTrace& operator=(const SimTrace&) = delete;

    // `what` is a literal.
    void note(const char* what, int64_t a = 0, int64_t b = 0, int64_t c = 0);
    // More, at once to stderr, with WEIR_SIM_VERBOSE set.
    [[nodiscard]] bool is_verbose() const { return is_verbose_; }
    void say(const std::string& text) const;
    // Remembers the first failure; the world stops after the step.
    void fail(std::string text);
    [[nodiscard]] bool has_failed() const { return !failure_.empty(); }
    [[nodiscard]] const std::string& failure() const { return failure_; }
    [[nodiscard]] uint64_t seed() const { return seed_; }
    void print() const;
    void set_now(int64_t now_us) { now_us_ = now_us; }
    void set_plan(std::string text) { plan_ = std::move(text); }

  private:
    struct Entry {
        const char* what = nullptr;
        int64_t at = 0, a = 0, b = 0, c = 0;
    };
    static constexpr size_t kEntries = 200;

    const uint64_t seed_;
    const bool is_verbose_;
    int64_t now_us_ = 0;
    size_t count_ = 0;
    std::array<Entry, kEntries> entries_;
    std::string failure_;
    std::string plan_;
};

}  // namespace weir::sim
