// What somebody who has run poolers for ten years would say of a configuration that is legal and
// loads without a warning. Each piece of advice is a rule of its own: a pure function of the
// review, one row of the table, one case of a test. Thread: main.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "admin/explain/review.h"

namespace weir {

struct Advice {
    std::string id;    // of its rule
    IniPlace at;       // line 0: what no file says
    std::string text;  // "what; remedy"
};

// Where rules put what they have to say.
class AdviceList {
  public:
    explicit AdviceList(const Review& review) : review_(review) {}

    void begin(const char* id) { id_ = id; }
    // About what is said of `name` in `section`.
    void tell(const std::string& section, const std::string& name, std::string text);
    void tell(const IniPlace& at, std::string text);
    [[nodiscard]] std::vector<Advice> take() { return std::move(list_); }

  private:
    const Review& review_;
    const char* id_ = "";
    std::vector<Advice> list_;
};

struct AdviceRule {
    const char* id;
    const char* what;  // it warns of, for admin/README.md
    void (*look)(const Review& review, AdviceList& list);
};

std::span<const AdviceRule> advice_rules();
// All rules, in the order of the table.
std::vector<Advice> advise(const Review& review);

}  // namespace weir
