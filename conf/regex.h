// Regex: a regular expression of a rule file, by RE2: matching takes time in proportion to the text
// whatever the expression, since it is clients who choose the text. What RE2 does not know of
// PostgreSQL's expressions (look-ahead, references inside the expression) is refused when it is
// read. Thread: any (immutable value; matching shares it).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace re2 {
class RE2;
}

namespace weir {

class Regex {
  public:
    // Error: what is wrong with it, and what to do about it.
    static Result<Regex> parse(std::string_view expression);

    // Somewhere in `text`, unless the expression is anchored with ^ and $.
    [[nodiscard]] bool matches(std::string_view text) const;
    // Likewise, and gives what its first group has matched (empty when that took no part).
    [[nodiscard]] std::optional<std::string> first_group(std::string_view text) const;
    [[nodiscard]] int groups() const;

  private:
    explicit Regex(std::shared_ptr<const re2::RE2> compiled) : compiled_(std::move(compiled)) {}

    std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace weir
