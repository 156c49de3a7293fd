#include "conf/ini.h"

#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "conf/blanks.h"
#include "conf/limits.h"

namespace weir {

std::string to_string(const ConfigError& error) {
    if (error.line == 0) return fmt::format("{}: {}", error.file, error.message);
    return fmt::format("{}:{}: {}", error.file, error.line, error.message);
}

void add_error(std::vector<ConfigError>& errors, ConfigError error) {
    if (errors.size() > kConfigErrorsMax) return;
    if (errors.size() == kConfigErrorsMax) {
        error.message = "too many errors; those after this line are not shown";
    }
    errors.push_back(std::move(error));
}

namespace {

bool is_key_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '*' || c == '-';
}

std::string_view cut_trailing_blanks(std::string_view s) {
    while (!s.empty() && is_blank(s.back()))
        s.remove_suffix(1);
    return s;
}

// Takes a "double ""quoted""" key off the front of `rest`; nothing when the quote is never closed.
std::optional<std::string> take_double_quoted(std::string_view& rest) {
    std::string key;
    for (size_t i = 1; i < rest.size(); ++i) {
        if (rest[i] != '"') {
            key += rest[i];
        } else if (i + 1 < rest.size() && rest[i + 1] == '"') {
            key += '"';
            ++i;
        } else {
            rest.remove_prefix(i + 1);
            return key;
        }
    }
    return {};
}

std::optional<std::string> take_single_quoted(std::string_view& rest) {
    const size_t end = rest.find('\'', 1);
    if (end == std::string_view::npos) return {};
    std::string key(rest.substr(1, end - 1));
    rest.remove_prefix(end + 1);
    return key;
}

class Parser {
  public:
    Parser(const FileReader& reader, const IniEvents& events, std::vector<ConfigError>& errors)
        : reader_(reader), events_(events), errors_(errors) {}

    void parse(std::string_view text, const std::string& file, int depth) {
        if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
        IniPlace at{file, 0};
        while (!text.empty()) {
            const size_t end = text.find('\n');
            const std::string_view line = text.substr(0, end);
            text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
            ++at.line;
            parse_line(cut_trailing_blanks(skip_blanks(line)), at, depth);
        }
    }

  private:
    void parse_line(std::string_view line, const IniPlace& at, int depth) {
        if (line.empty() || line.front() == ';' || line.front() == '#') return;
        if (line.find('\0') != std::string_view::npos) {
            return complain(at, "the line holds a NUL byte; is this a text file?");
        }
        if (line.front() == '[') return section(line, at);
        if (line.front() == '%') return directive(line, at, depth);
        setting(line, at);
    }

    void section(std::string_view line, const IniPlace& at) {
        const size_t end = line.find(']');
        if (end == std::string_view::npos) {
            return complain(at, "section header is not closed; write it as [name]");
        }
        events_.on_section(line.substr(1, end - 1), at);
    }

    void directive(std::string_view line, const IniPlace& at, int depth) {
        constexpr std::string_view kInclude = "%include";
        if (line.substr(0, kInclude.size()) != kInclude ||
            (line.size() > kInclude.size() && !is_blank(line[kInclude.size()]))) {
            return complain(at, "unknown directive; the only one is \"%include FILE\"");
        }
        const std::string path(skip_blanks(line.substr(kInclude.size())));
        if (path.empty()) {
            return complain(at, "%include names no file; write it as \"%include FILE\"");
        }
        if (depth >= kIncludeDepthMax) {
            return complain(at, fmt::format("%include of \"{}\" is nested deeper than {} files; "
                                            "check for a file that includes itself",
                                            path, kIncludeDepthMax));
        }
        if (++includes_ > kIncludesMax) {
            return complain(at, fmt::format("more than {} files are included; "
                                            "check for a file that includes itself",
                                            kIncludesMax));
        }
        const Result<std::string> text = reader_(path);
        if (!text) {
            return complain(at, fmt::format("cannot include \"{}\": {}; paths are relative to the "
                                            "working directory",
                                            path, text.error().message));
        }
        parse(*text, path, depth + 1);
    }

    void setting(std::string_view line, const IniPlace& at) {
        std::string key;
        if (line.front() == '\'' || line.front() == '"') {
            std::optional<std::string> quoted =
                line.front() == '"' ? take_double_quoted(line) : take_single_quoted(line);
            if (!quoted)
                return complain(at, "the quoted name is not closed; add the missing quote");
            key = std::move(*quoted);
        } else {
            size_t n = 0;
            while (n < line.size() && is_key_char(line[n]))
                ++n;
            key = line.substr(0, n);
            line.remove_prefix(n);
        }
        line = skip_blanks(line);
        if (line.empty() || line.front() != '=') {
            return complain(at,
                            "syntax error; a line is \"key = value\", \"[section]\" or a comment, "
                            "and a name with other characters than A-Z a-z 0-9 _ . * - is quoted");
        }
        if (key.empty()) return complain(at, "nothing stands before \"=\"; write \"key = value\"");
        events_.on_value(key, skip_blanks(line.substr(1)), at);
    }

    void complain(const IniPlace& at, std::string message) {
        add_error(errors_, {at.file, at.line, std::move(message)});
    }

    const FileReader& reader_;
    const IniEvents& events_;
    std::vector<ConfigError>& errors_;
    int includes_ = 0;
};

struct FileCloser {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

Result<std::string> read_file(const std::string& path) {
    const std::unique_ptr<std::FILE, FileCloser> file(std::fopen(path.c_str(), "re"));
    if (!file) return fail(errno == ENOENT ? "58P01" : "58030", std::strerror(errno));
    struct stat info {};
    if (fstat(fileno(file.get()), &info) == 0 && S_ISDIR(info.st_mode)) {
        return fail("58030", "is a directory");
    }
    std::string text;
    char block[16384];
    while (const size_t n = std::fread(block, 1, sizeof block, file.get())) {
        text.append(block, n);
        if (text.size() > kConfigFileBytesMax) {
            return fail("54000",
                        fmt::format("is larger than {} MB", kConfigFileBytesMax / (1 << 20)));
        }
    }
    if (std::ferror(file.get()) != 0) return fail("58030", std::strerror(errno));
    return text;
}

void parse_ini_text(std::string_view text, const std::string& file, const FileReader& reader,
                    const IniEvents& events, std::vector<ConfigError>& errors) {
    Parser(reader, events, errors).parse(text, file, 0);
}

}  // namespace weir
