// The tables of the status page. Empty when there is nothing to be shown. Thread: any (pure).
#pragma once

#include "admin/page/html.h"
#include "admin/page/view.h"

namespace weir {

[[nodiscard]] Html pools_section(const PageView& view);
[[nodiscard]] Html backends_section(const PageView& view);
[[nodiscard]] Html waiting_section(const PageView& view);
[[nodiscard]] Html queries_section(const PageView& view);
[[nodiscard]] Html leaks_section(const PageView& view);
[[nodiscard]] Html events_section(const PageView& view);
[[nodiscard]] Html workers_section(const PageView& view);

}  // namespace weir
