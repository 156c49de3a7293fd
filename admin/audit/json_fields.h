// JsonFields: the inside of a JSON object of a log, field by field. Pure. Thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

class JsonFields {
  public:
    // The first field is "event".
    explicit JsonFields(std::string_view event);

    // Texts may hold anything.
    void add(std::string_view name, std::string_view text);
    void add(std::string_view name, int64_t number);
    void add(std::string_view name, uint64_t number);
    // Not when it is empty.
    void add_some(std::string_view name, std::string_view text) {
        if (!text.empty()) add(name, text);
    }
    // Microseconds since 1970 as 2026-01-02T03:04:05.678Z.
    void add_time(std::string_view name, int64_t unix_us);

    [[nodiscard]] std::string take() { return std::move(text_); }

  private:
    void begin(std::string_view name);
    std::string text_;
};

}  // namespace weir
