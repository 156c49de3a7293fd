// Shown: a table of the console, read by the names of its columns; so the page shows what SHOW
// shows, and a table that a release does not have is left out. Thread: control.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "admin/console/show.h"

namespace weir {

class Shown {
  public:
    Shown(const ShowSpec* spec, std::vector<Cells> rows) : spec_(spec), rows_(std::move(rows)) {}

    [[nodiscard]] std::string_view topic() const { return spec_->topic; }
    [[nodiscard]] size_t size() const { return rows_.size(); }
    [[nodiscard]] bool has(std::string_view column) const { return index_of(column) != kNone; }
    // Empty for NULL, and when there is no such column.
    [[nodiscard]] std::string text(size_t row, std::string_view column) const;
    // 0 likewise; of a text that is a number, too.
    [[nodiscard]] double number(size_t row, std::string_view column) const;

  private:
    static constexpr size_t kNone = static_cast<size_t>(-1);
    [[nodiscard]] size_t index_of(std::string_view column) const;

    const ShowSpec* spec_;
    std::vector<Cells> rows_;
};

}  // namespace weir
