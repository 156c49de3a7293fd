// TopScreen: the terminal of `weir top`, by ncurses: lines of a frame, and keys. The terminal is
// as it was before when this is gone. Thread: the program's only one.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "admin/top/top_frame.h"

namespace weir {

enum class TopKey : uint8_t {
    Resized,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Left,
    Right,
    Enter,
    Escape,
    Backspace,
    Text,  // `character`
};
struct TopInput {
    TopKey key = TopKey::Text;
    char character = 0;
};

class TopScreen {
  public:
    // Check is_usable(): there may be no terminal.
    TopScreen();
    ~TopScreen();
    TopScreen(const TopScreen&) = delete;
    TopScreen& operator=(const TopScreen&) = delete;

    [[nodiscard]] bool is_usable() const { return screen_ != nullptr; }
    [[nodiscard]] size_t width() const;
    [[nodiscard]] size_t height() const;
    void draw(const std::vector<TopLine>& lines);
    // Waits up to so long for a key.
    std::optional<TopInput> read_key(int timeout_ms);

  private:
    void* screen_ = nullptr;
};

}  // namespace weir
