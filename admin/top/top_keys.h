// What a key does to the state of `weir top`. Thread: any (pure functions).
#pragma once

#include "admin/top/top_frame.h"
#include "admin/top/top_screen.h"

namespace weir {

enum class TopEffect : uint8_t {
    Draw,   // the frame anew, of what is known
    Fetch,  // the console is to be asked at once
    Quit,
};

// `page`: rows that are in sight.
TopEffect press(TopState& state, const TopInput& input, size_t page);

}  // namespace weir
