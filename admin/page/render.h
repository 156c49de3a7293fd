// The status page as HTML: everything is there without a script; the script only asks for the page
// again and puts the parts that are marked `data-live` in place. Thread: control (pure).
#pragma once

#include <string>
#include <string_view>

#include "admin/page/view.h"

namespace weir {

// `nonce` is what style and script have to carry (see HttpRequest). Without one they are left out:
// for the script, which only wants the parts.
[[nodiscard]] std::string render_page(const PageView& view, std::string_view nonce);

extern const std::string_view kPageStyle;
extern const std::string_view kPageScript;
extern const std::string_view kPageIcon;  // SVG

}  // namespace weir
