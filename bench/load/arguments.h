// Command-line arguments of the bench programs: "--name value", "--name=value" or a bare "--flag".
// Ask for every argument that exists, then call finish(), which refuses what nobody asked for.
// Thread: the main thread, before any other starts.

#pragma once

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace weir::bench {

class Arguments {
  public:
    Arguments(int argc, char** argv, std::string_view usage) : usage_(usage) {
        for (int i = 1; i < argc; i++) {
            std::string_view word = argv[i];
            if (word == "--help") refuse("", 0);
            if (!word.starts_with("--")) refuse("unexpected argument " + std::string(word), 2);
            word.remove_prefix(2);
            const size_t equals = word.find('=');
            Given given{std::string(word.substr(0, equals)), "", false, false};
            if (equals != std::string_view::npos) {
                given.value = word.substr(equals + 1);
                given.has_value = true;
            } else if (i + 1 < argc && !std::string_view(argv[i + 1]).starts_with("--")) {
                given.value = argv[++i];
                given.has_value = true;
            }
            given_.push_back(given);
        }
    }

    std::string text(std::string_view name, std::string_view fallback) {
        std::string answer(fallback);
        for (Given& given : given_) {
            if (given.name == name) answer = value_of(given);
        }
        return answer;
    }

    std::vector<std::string> texts(std::string_view name) {
        std::vector<std::string> answer;
        for (Given& given : given_) {
            if (given.name == name) answer.push_back(value_of(given));
        }
        return answer;
    }

    template <class Number>
    Number number(std::string_view name, Number fallback) {
        const std::string word = text(name, "");
        if (word.empty()) return fallback;
        Number answer{};
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), answer);
        if (error != std::errc() || end != word.data() + word.size() || answer < Number{}) {
            refuse("bad number for --" + std::string(name) + ": " + word, 2);
        }
        return answer;
    }

    bool flag(std::string_view name) {
        bool answer = false;
        for (Given& given : given_) {
            if (given.name != name) continue;
            if (given.has_value) refuse("--" + given.name + " takes no value", 2);
            given.used = answer = true;
        }
        return answer;
    }

    void finish() const {
        for (const Given& given : given_) {
            if (!given.used) refuse("unknown argument --" + given.name, 2);
        }
    }

    [[noreturn]] void refuse(const std::string& why, int exit_code) const {
        if (!why.empty()) std::fprintf(stderr, "%s\n", why.c_str());
        std::fprintf(exit_code == 0 ? stdout : stderr, "%.*s", static_cast<int>(usage_.size()),
                     usage_.data());
        std::exit(exit_code);
    }

  private:
    struct Given {
        std::string name;
        std::string value;
        bool has_value;
        bool used;
    };

    std::string value_of(Given& given) const {
        if (!given.has_value) refuse("--" + given.name + " needs a value", 2);
        given.used = true;
        return given.value;
    }

    std::string_view usage_;
    std::vector<Given> given_;
};

}  // namespace weir::bench
