#include "admin/top/top_screen.h"

// Names of its macros are those of nobody else.
#define NCURSES_NOMACROS
#include <ncurses.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>

namespace weir {

namespace {

constexpr short kBarPair = 1, kHeadingPair = 2, kChosenPair = 3, kTroublePair = 4;
constexpr int kEscapeKey = 27, kEscapeDelayMs = 50;

attr_t attributes_of(TopStyle style, bool has_colours) {
    const auto pair = [has_colours](short number, attr_t otherwise) -> attr_t {
        return has_colours ? static_cast<attr_t>(COLOR_PAIR(number)) : otherwise;
    };
    switch (style) {
        case TopStyle::Bar: return pair(kBarPair, A_REVERSE) | A_BOLD;
        case TopStyle::Heading: return pair(kHeadingPair, A_REVERSE);
        case TopStyle::Chosen: return pair(kChosenPair, A_REVERSE);
        case TopStyle::Strong: return A_BOLD;
        case TopStyle::Trouble: return pair(kTroublePair, A_NORMAL) | A_BOLD;
        case TopStyle::Plain: return A_NORMAL;
    }
    return A_NORMAL;  // uncovered: every enumerator is above
}

}  // namespace

TopScreen::TopScreen() {
    if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0) return;
    std::setlocale(LC_ALL, "");
    set_escdelay(kEscapeDelayMs);
    // Unlike initscr() it does not end the process where there is no terminal.
    screen_ = newterm(nullptr, stdout, stdin);
    if (screen_ == nullptr) return;
    cbreak();
    noecho();
    nonl();
    curs_set(0);
    keypad(stdscr, TRUE);
    if (has_colors()) {
        start_color();
        use_default_colors();
        init_pair(kBarPair, COLOR_WHITE, COLOR_BLUE);
        init_pair(kHeadingPair, COLOR_BLACK, COLOR_GREEN);
        init_pair(kChosenPair, COLOR_BLACK, COLOR_CYAN);
        init_pair(kTroublePair, COLOR_RED, -1);
    }
}

TopScreen::~TopScreen() {
    if (screen_ == nullptr) return;
    endwin();
    delscreen(static_cast<SCREEN*>(screen_));
}

size_t TopScreen::width() const {
    return static_cast<size_t>(getmaxx(stdscr));
}

size_t TopScreen::height() const {
    return static_cast<size_t>(getmaxy(stdscr));
}

void TopScreen::draw(const std::vector<TopLine>& lines) {
    werase(stdscr);
    int row = 0;
    for (const TopLine& line : lines) {
        const auto attributes = static_cast<int>(attributes_of(line.style, has_colors()));
        wattrset(stdscr, attributes);
        mvwaddnstr(stdscr, row++, 0, line.text.data(), static_cast<int>(line.text.size()));
    }
    wattrset(stdscr, static_cast<int>(A_NORMAL));
    wrefresh(stdscr);
}

std::optional<TopInput> TopScreen::read_key(int timeout_ms) {
    wtimeout(stdscr, timeout_ms);
    const int key = wgetch(stdscr);
    switch (key) {
        case ERR: return std::nullopt;
        case KEY_RESIZE: return TopInput{TopKey::Resized};
        case KEY_UP: return TopInput{TopKey::Up};
        case KEY_DOWN: return TopInput{TopKey::Down};
        case KEY_PPAGE: return TopInput{TopKey::PageUp};
        case KEY_NPAGE: return TopInput{TopKey::PageDown};
        case KEY_HOME: return TopInput{TopKey::Home};
        case KEY_END: return TopInput{TopKey::End};
        case KEY_LEFT: return TopInput{TopKey::Left};
        case KEY_RIGHT: return TopInput{TopKey::Right};
        case KEY_ENTER:
        case '\n':
        case '\r': return TopInput{TopKey::Enter};
        case KEY_BACKSPACE:
        case 127:
        case '\b': return TopInput{TopKey::Backspace};
        case kEscapeKey: return TopInput{TopKey::Escape};
        default: break;
    }
    if (key < ' ' && key != '\t') return std::nullopt;
    if (key > 0xff) return std::nullopt;
    return TopInput{TopKey::Text, static_cast<char>(key)};
}

}  // namespace weir
