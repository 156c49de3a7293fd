#include "conf/fingerprint.h"

#include <algorithm>

#include "protocol/base/lower_case.h"
#include "protocol/base/siphash.h"

namespace weir {

namespace {

constexpr std::string_view kSecretWords[] = {"passw", "secret", "token"};

size_t find_secret_word(std::string_view text, size_t from) {
    size_t first = std::string_view::npos;
    for (const std::string_view word : kSecretWords)
        first = std::min(first, text.find(word, from));
    return first;
}

// Behind a value that begins at `at`: quoted, or up to a blank.
size_t end_of_value(std::string_view text, size_t at) {
    if (at >= text.size()) return text.size();
    const char quote = text[at];
    if (quote != '\'' && quote != '"') return std::min(text.find_first_of(" \t", at), text.size());
    for (size_t i = at + 1; i < text.size(); ++i) {
        if (text[i] == '\\') {
            ++i;
        } else if (text[i] == quote) {
            if (i + 1 >= text.size() || text[i + 1] != quote) return i + 1;
            ++i;  // doubled: one of its characters
        }
    }
    return text.size();
}

}  // namespace

std::string without_secrets(std::string_view key, std::string_view value) {
    if (find_secret_word(lower_case(key), 0) != std::string_view::npos) return "";
    const std::string low = lower_case(value);
    std::string out;
    size_t at = 0;
    while (true) {
        const size_t word = find_secret_word(low, at);
        const size_t equals = value.find('=', word);
        if (word == std::string_view::npos || equals == std::string_view::npos) break;
        const size_t begin = std::min(value.find_first_not_of(" \t", equals + 1), value.size());
        out += value.substr(at, equals + 1 - at);
        at = end_of_value(value, begin);
    }
    out += value.substr(at);
    const size_t scheme = out.find("://");
    if (scheme == std::string::npos) return out;
    const size_t sign = out.find_first_of("@/", scheme + 3);
    if (sign != std::string::npos && out[sign] == '@') out.erase(scheme + 3, sign - scheme - 2);
    return out;
}

void Fingerprint::add(std::string_view section, std::string_view key, std::string_view value) {
    std::string text(section);
    text += '\n';
    text += key;
    text += '\n';
    text += without_secrets(key, value);
    value_ = static_cast<uint32_t>(siphash(SipKey{value_, 0}, as_bytes(text)));
}

}  // namespace weir
