#include "admin/top/top_keys.h"

#include <algorithm>
#include <iterator>

namespace weir {

namespace {

constexpr double kIntervals[] = {0.5, 1, 2, 5, 10, 30, 60};

TopEffect go_to_view(TopState& state, size_t view) {
    if (view == state.view) return TopEffect::Draw;
    state.view = view;
    state.sort.clear();
    state.is_reversed = state.is_detail = state.is_help = false;
    state.cursor = state.scroll = 0;
    return TopEffect::Fetch;
}

TopEffect turn_view(TopState& state, size_t by) {
    return go_to_view(state, (state.view + by) % top_views().size());
}

void sort_by_next(TopState& state, int step) {
    state.sort = next_sort(state, step);
    state.is_reversed = false;
    state.cursor = state.scroll = 0;
}

void change_interval(TopState& state, bool is_longer) {
    const auto* found =
        std::lower_bound(std::begin(kIntervals), std::end(kIntervals), state.interval_s);
    if (is_longer) {
        const auto* next =
            found != std::end(kIntervals) && *found <= state.interval_s ? found + 1 : found;
        if (next != std::end(kIntervals)) state.interval_s = *next;
    } else if (found != std::begin(kIntervals)) {
        state.interval_s = *(found - 1);
    }
}

TopEffect type(TopState& state, const TopInput& input) {
    switch (input.key) {
        case TopKey::Enter: state.is_typing = false; break;
        case TopKey::Escape:
            state.is_typing = false;
            state.filter.clear();
            break;
        case TopKey::Backspace:
            while (!state.filter.empty()) {
                const char last = state.filter.back();
                state.filter.pop_back();
                if ((static_cast<unsigned char>(last) & 0xc0) != 0x80) break;
            }
            break;
        case TopKey::Text:
            if (input.character != '\t') state.filter += input.character;
            break;
        default: break;
    }
    state.cursor = state.scroll = 0;
    return TopEffect::Draw;
}

TopEffect press_letter(TopState& state, char letter) {
    for (size_t i = 0; i < top_views().size(); ++i) {
        if (top_views()[i].key == letter) return go_to_view(state, i);
    }
    switch (letter) {
        case 'q': return TopEffect::Quit;
        case '\t': return turn_view(state, 1);
        case 'h':
        case '?': state.is_help = !state.is_help; break;
        case '<': sort_by_next(state, -1); break;
        case '>': sort_by_next(state, 1); break;
        case 'r': state.is_reversed = !state.is_reversed; break;
        case '/':
            state.is_typing = true;
            state.is_help = state.is_detail = false;
            break;
        case '+': change_interval(state, true); break;
        case '-': change_interval(state, false); break;
        case ' ':
        case 'p':
            state.is_paused = !state.is_paused;
            return state.is_paused ? TopEffect::Draw : TopEffect::Fetch;
        default: break;
    }
    return TopEffect::Draw;
}

}  // namespace

TopEffect press(TopState& state, const TopInput& input, size_t page) {
    if (state.is_typing && input.key != TopKey::Resized) return type(state, input);
    constexpr size_t kLast = SIZE_MAX / 2;  // the frame corrects it
    switch (input.key) {
        case TopKey::Up: state.cursor -= state.cursor > 0 ? 1 : 0; break;
        case TopKey::Down: ++state.cursor; break;
        case TopKey::PageUp: state.cursor -= std::min(state.cursor, page); break;
        case TopKey::PageDown: state.cursor += page; break;
        case TopKey::Home: state.cursor = 0; break;
        case TopKey::End: state.cursor = kLast; break;
        case TopKey::Left: return turn_view(state, top_views().size() - 1);
        case TopKey::Right: return turn_view(state, 1);
        case TopKey::Enter: state.is_detail = !state.is_detail; break;
        case TopKey::Escape:
            if (!state.is_help && !state.is_detail) state.filter.clear();
            state.is_help = state.is_detail = false;
            break;
        case TopKey::Text: return press_letter(state, input.character);
        default: break;
    }
    return TopEffect::Draw;
}

}  // namespace weir
