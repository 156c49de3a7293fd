// The doctest main of weir-unit, weir-golden and weir-sim (unless their folder has a main.cpp).
// Besides doctest's own options it takes two for the simulator, which reads them as environment:
//   --seed N          WEIR_SIM_SEED      replay exactly this seed
//   --for 90|90s|10m  WEIR_SIM_SECONDS   seeds in a row, for that long
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

// "90", "90s", "10m", "2h" as seconds, or empty when it is none of these.
std::optional<std::string> as_seconds(const std::string& text) {
    char* end = nullptr;
    const long number = std::strtol(text.c_str(), &end, 10);
    const std::string_view unit(end);
    if (end == text.c_str() || number < 0) return std::nullopt;
    if (unit.empty() || unit == "s") return std::to_string(number);
    if (unit == "m") return std::to_string(number * 60);
    if (unit == "h") return std::to_string(number * 3600);
    return std::nullopt;
}

// The value of `--name VALUE` or `--name=VALUE` at argv[i]; moves i over a value of its own.
std::optional<std::string> value_of(std::string_view name, int argc, char** argv, int& i) {
    const std::string_view arg(argv[i]);
    if (arg == name && i + 1 < argc) return std::string(argv[++i]);
    if (arg.size() > name.size() && arg.starts_with(name) && arg[name.size()] == '=') {
        return std::string(arg.substr(name.size() + 1));
    }
    return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<char*> rest;
    for (int i = 0; i < argc; ++i) {
        if (const auto seed = value_of("--seed", argc, argv, i)) {
            ::setenv("WEIR_SIM_SEED", seed->c_str(), 1);
        } else if (const auto length = value_of("--for", argc, argv, i)) {
            const auto seconds = as_seconds(*length);
            if (!seconds) {
                std::fprintf(stderr, "--for %s: not a time such as 90s or 10m\n", length->c_str());
                return 2;
            }
            ::setenv("WEIR_SIM_SECONDS", seconds->c_str(), 1);
        } else {
            rest.push_back(argv[i]);
        }
    }
    doctest::Context context(static_cast<int>(rest.size()), rest.data());
    return context.run();
}
