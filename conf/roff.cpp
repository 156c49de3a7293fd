#include "conf/roff.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cctype>

namespace weir {

namespace {

constexpr std::string_view kEllipsis = "…";

// One line, without markup: nothing in it is a request or an escape.
std::string literal(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else if (c == '\'') {
            out += "\\(aq";
        } else if (c == '~') {
            out += "\\(ti";
        } else if (c == '^') {
            out += "\\(ha";
        } else {
            out += c;
        }
    }
    return out;
}

std::string upper(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return out;
}

std::string without_ellipsis(std::string_view text) {
    std::string out(text);
    for (size_t at = out.find(kEllipsis); at != std::string::npos; at = out.find(kEllipsis))
        out.replace(at, kEllipsis.size(), "...");
    return out;
}

}  // namespace

std::string roff_text(std::string_view text) {
    std::string out;
    bool is_code = false;
    std::string part;
    const auto flush = [&] {
        if (!part.empty()) out += is_code ? "\\fB" + literal(part) + "\\fR" : literal(part);
        part.clear();
    };
    for (const char c : without_ellipsis(text)) {
        if (c == '`') {
            flush();
            is_code = !is_code;
        } else {
            part += c;
        }
    }
    flush();
    // A dot or an apostrophe at the start would be a request.
    return !out.empty() && out.front() == '.' ? "\\&" + out : out;
}

std::string roff_item(std::string_view term, std::string_view argument, std::string_view text) {
    std::string out = fmt::format(".TP\n\\fB{}\\fR", literal(term));
    if (!argument.empty()) out += fmt::format("\\fI{}\\fR", literal(argument));
    return out + "\n" + roff_text(text) + "\n";
}

std::string roff_paragraph(std::string_view text) {
    return ".PP\n" + roff_text(text) + "\n";
}

std::string roff_heading(std::string_view title) {
    return fmt::format(".SH {}\n", upper(title));
}

std::string roff_example(std::string_view lines) {
    std::string out = ".PP\n.RS 4\n.nf\n";
    while (!lines.empty()) {
        const size_t end = std::min(lines.find('\n'), lines.size());
        const std::string_view line = lines.substr(0, end);
        out += (line.starts_with('.') ? "\\&" : "") + literal(line) + "\n";
        lines.remove_prefix(std::min(end + 1, lines.size()));
    }
    return out + ".fi\n.RE\n";
}

std::string roff_title(std::string_view name, int section, std::string_view summary) {
    return fmt::format(".TH {} {} \"\" Weir \"Weir manual\"\n.SH NAME\n{} \\- {}\n", upper(name),
                       section, literal(name), roff_text(summary));
}

}  // namespace weir
