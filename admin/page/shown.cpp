#include "admin/page/shown.h"

#include <cstdlib>

namespace weir {

size_t Shown::index_of(std::string_view column) const {
    for (size_t i = 0; i < spec_->columns.size(); ++i) {
        if (spec_->columns[i].name == column) return i;
    }
    return kNone;
}

std::string Shown::text(size_t row, std::string_view column) const {
    const size_t index = index_of(column);
    return index == kNone ? "" : rows_[row][index].text();
}

double Shown::number(size_t row, std::string_view column) const {
    const size_t index = index_of(column);
    if (index == kNone) return 0;
    const Cell& cell = rows_[row][index];
    if (cell.is_number()) return static_cast<double>(cell.number());
    return std::strtod(cell.text().c_str(), nullptr);
}

}  // namespace weir
