#include "admin/top/top.h"

#include <getopt.h>
#include <spdlog/fmt/fmt.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>
#include <utility>

#include "admin/top/console_client.h"
#include "admin/top/top_frame.h"
#include "admin/top/top_keys.h"
#include "admin/top/top_screen.h"

namespace weir {

namespace {

constexpr size_t kOnceWidth = 132;  // where there is no terminal
constexpr double kReconnectSeconds = 1;

struct TopOptions {
    std::string where;
    bool is_once = false;
    size_t width = 0;
    TopState state;
    std::optional<int> exit_code;
};

constexpr option kOptions[] = {
    {"once", no_argument, nullptr, '1'},
    {"view", required_argument, nullptr, 'v'},
    {"sort", required_argument, nullptr, 's'},
    {"reverse", no_argument, nullptr, 'r'},
    {"filter", required_argument, nullptr, 'f'},
    {"interval", required_argument, nullptr, 'd'},
    {"width", required_argument, nullptr, 'w'},
    {"help", no_argument, nullptr, 'h'},
    {nullptr, 0, nullptr, 0},
};

void print_usage() {
    std::string views;
    for (const TopView& view : top_views())
        views += (views.empty() ? "" : ", ") + std::string(view.title);
    std::printf(
        "weir top looks at a running pooler through its console.\n"
        "\n"
        "Usage:\n"
        "  weir top [OPTION]... [CONNSTR]\n"
        "\n"
        "CONNSTR is a connection string as psql takes it. What it leaves open is as in PG...\n"
        "of the environment, else database pgbouncer, port 6432, host /tmp,\n"
        "/var/run/postgresql or localhost.\n"
        "\n"
        "Options:\n"
        "      --once           print one frame, of one interval, and exit\n"
        "  -v, --view=VIEW      %s (or 1 to %zu)\n"
        "  -s, --sort=COLUMN    by a column of SHOW\n"
        "  -r, --reverse        the other way round\n"
        "  -f, --filter=TEXT    only rows that have this text\n"
        "  -d, --interval=SEC   time between two frames (2)\n"
        "  -w, --width=COLUMNS  of --once (the terminal's, else %zu)\n"
        "  -h, --help           print this and exit\n"
        "\n"
        "Keys: h shows them.\n",
        views.c_str(), top_views().size(), kOnceWidth);
}

int usage_error(const std::string& text) {
    if (!text.empty()) std::fprintf(stderr, "weir top: %s\n", text.c_str());
    std::fprintf(stderr, "Try \"weir top --help\" for more information.\n");
    return 2;
}

std::optional<size_t> find_view(const std::string& name) {
    for (size_t i = 0; i < top_views().size(); ++i) {
        const TopView& view = top_views()[i];
        const bool is_key = name.size() == 1 && name[0] == view.key;
        const bool is_title = name.size() == view.title.size() &&
                              strncasecmp(name.data(), view.title.data(), name.size()) == 0;
        if (is_key || is_title) return i;
    }
    return std::nullopt;
}

TopOptions parse_options(int argc, char** argv) {
    TopOptions out;
    optind = 0;  // glibc: begin anew
    for (int letter = 0;
         (letter = getopt_long(argc, argv, "v:s:rf:d:w:h", kOptions, nullptr)) >= 0;) {
        const std::string value = optarg == nullptr ? "" : optarg;
        switch (letter) {
            case '1': out.is_once = true; break;
            case 'v':
                if (const std::optional<size_t> view = find_view(value)) {
                    out.state.view = *view;
                } else {
                    out.exit_code = usage_error("there is no view \"" + value + "\"");
                    return out;
                }
                break;
            case 's': out.state.sort = value; break;
            case 'r': out.state.is_reversed = true; break;
            case 'f': out.state.filter = value; break;
            case 'd':
                out.state.interval_s = to_number(value);
                if (out.state.interval_s < 0.1 || out.state.interval_s > 3600) {
                    out.exit_code = usage_error("an interval is 0.1 to 3600 seconds");
                    return out;
                }
                break;
            case 'w': out.width = static_cast<size_t>(to_number(value)); break;
            case 'h':
                print_usage();
                out.exit_code = 0;
                return out;
            default: out.exit_code = usage_error(""); return out;
        }
    }
    if (optind < argc) out.where = argv[optind++];
    if (optind < argc) out.exit_code = usage_error("more than one connection string");
    return out;
}

volatile std::sig_atomic_t is_interrupted = 0;

void catch_signals() {
    struct sigaction action {};
    action.sa_handler = [](int) { is_interrupted = 1; };
    for (const int number : {SIGINT, SIGTERM, SIGHUP})
        sigaction(number, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
}

std::string time_of_day() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    localtime_r(&now, &parts);
    return fmt::format("{:02}:{:02}:{:02}", parts.tm_hour, parts.tm_min, parts.tm_sec);
}

// All that a frame needs; an error leaves `out` as it is.
Status fetch(ConsoleClient& client, TopState& state, const TopData* before, TopData& out) {
    if (!client.is_connected()) {
        if (Status connected = client.connect(); !connected) return connected;
        const Result<TopTable> version = client.ask("SHOW VERSION");
        if (!version) return tl::unexpected<Error>(version.error());
        state.server = client.server();
        state.version = version->rows.empty() ? "" : version->rows[0][0];
    }
    TopData data;
    data.view_index = state.view;
    const std::string query(top_views()[state.view].query);
    const std::pair<const char*, TopTable*> wanted[] = {
        {"SHOW STATS", &data.stats}, {"SHOW POOLS", &data.pools}, {query.c_str(), &data.view}};
    for (const auto& [text, table] : wanted) {
        Result<TopTable> answer = client.ask(text);
        if (!answer) return tl::unexpected<Error>(answer.error());
        *table = std::move(*answer);
    }
    data.seconds = seconds_now();
    complete(data, before);
    out = std::move(data);
    return {};
}

size_t terminal_width() {
    winsize size{};
    if (isatty(STDOUT_FILENO) != 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
        size.ws_col > 0)
        return size.ws_col;
    return kOnceWidth;
}

int print_once(TopOptions& options) {
    ConsoleClient client(options.where, [] { return is_interrupted == 0; });
    TopState& state = options.state;
    TopData first, second;
    Status done = fetch(client, state, nullptr, first);
    if (done) {
        client.idle(state.interval_s);
        if (is_interrupted == 0) done = fetch(client, state, &first, second);
    }
    if (is_interrupted != 0) return 130;
    if (!done) {
        std::fprintf(stderr, "weir top: %s\n", done.error().message.c_str());
        return 1;
    }
    state.clock = time_of_day();
    const size_t width = options.width > 0 ? options.width : terminal_width();
    for (const TopLine& line : make_frame(state, second, &first, width, 0)) {
        const size_t end = line.text.find_last_not_of(' ');
        std::printf("%s\n", end == std::string::npos ? "" : line.text.substr(0, end + 1).c_str());
    }
    return 0;
}

// The view on the screen, until somebody leaves.
class TopProgram {
  public:
    explicit TopProgram(TopOptions& options)
        : state_(options.state), client_(options.where, [this] { return may_wait(); }) {}

    int run() {
        if (!screen_.is_usable()) {
            std::fprintf(stderr, "weir top: no terminal; --once prints a frame\n");
            return 1;
        }
        state_.trouble = "connecting ...";
        draw();
        while (!is_over()) {
            if (!state_.is_paused && seconds_now() >= due_) renew();
            draw();
            take_key(wait_ms());
        }
        return 0;
    }

  private:
    [[nodiscard]] bool is_over() const { return is_left_ || is_interrupted != 0; }

    // While the console is waited for.
    bool may_wait() {
        take_key(0);
        return !is_over();
    }

    int wait_ms() const {
        constexpr double kLookSeconds = 0.25;  // for signals
        const double left = state_.is_paused ? kLookSeconds : due_ - seconds_now();
        return static_cast<int>(std::clamp(left, 0.0, kLookSeconds) * 1000) + 1;
    }

    void renew() {
        TopData next;
        const bool is_same = now_ && now_->view_index == state_.view;
        const Status done = fetch(client_, state_, is_same ? &*now_ : nullptr, next);
        if (is_over()) return;
        due_ = seconds_now() + (client_.is_connected() ? state_.interval_s : kReconnectSeconds);
        if (!done) {
            state_.trouble = (client_.is_connected() ? "" : "connection lost, trying again: ") +
                             done.error().message;
            return;
        }
        // Another view was chosen meanwhile.
        if (next.view_index != state_.view) due_ = 0;
        state_.trouble.clear();
        before_ = std::exchange(now_, std::move(next));
    }

    void draw() {
        state_.clock = time_of_day();
        const TopData empty;
        screen_.draw(make_frame(state_, now_ ? *now_ : empty, before_ ? &*before_ : nullptr,
                                screen_.width(), screen_.height()));
    }

    void take_key(int timeout_ms) {
        const std::optional<TopInput> input = screen_.read_key(timeout_ms);
        if (!input) return;
        switch (press(state_, *input, screen_.height())) {
            case TopEffect::Draw: break;
            case TopEffect::Fetch: due_ = 0; break;
            case TopEffect::Quit: is_left_ = true; break;
        }
    }

    TopState& state_;
    ConsoleClient client_;
    TopScreen screen_;
    std::optional<TopData> now_, before_;
    double due_ = 0;
    bool is_left_ = false;
};

}  // namespace

int run_top(int argc, char** argv) {
    TopOptions options = parse_options(argc, argv);
    if (options.exit_code) return *options.exit_code;
    catch_signals();
    if (options.is_once) return print_once(options);
    TopProgram program(options);
    return program.run();
}

}  // namespace weir
