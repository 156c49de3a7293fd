// Fingerprint: a number that is another one when the files of a configuration say something else,
// so that a fleet's metrics show who has not got the new ones. Passwords play no part in it: it is
// shown to whoever may read metrics; neither do blanks and comments. Pure. Owner: the loader.
// Thread: the owner's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

class Fingerprint {
  public:
    void add(std::string_view section, std::string_view key, std::string_view value);
    [[nodiscard]] uint32_t value() const { return value_; }

  private:
    uint32_t value_ = 0;
};

// `value` of a setting without what is secret in it: passwords among key=value pairs, and the
// credentials of a URL.
[[nodiscard]] std::string without_secrets(std::string_view key, std::string_view value);

}  // namespace weir
