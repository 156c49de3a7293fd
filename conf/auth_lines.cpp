#include "conf/auth_lines.h"

#include <dirent.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "conf/blanks.h"
#include "conf/limits.h"

namespace weir {

namespace {

// Takes one token off the front of `rest`, which does not begin with a blank, a comma or a comment.
Result<AuthToken> take_token(std::string_view& rest) {
    AuthToken token;
    token.is_quoted = rest.front() == '"';
    bool is_open = false;
    while (!rest.empty()) {
        const char c = rest.front();
        if (!is_open && (is_blank(c) || c == ',' || c == '#')) break;
        rest.remove_prefix(1);
        if (c != '"') {
            token.text += c;
        } else if (is_open && !rest.empty() && rest.front() == '"') {
            token.text += c;
            rest.remove_prefix(1);
        } else {
            is_open = !is_open;
        }
    }
    if (is_open) return fail("22023", "a quote is not closed; write one more \" behind the name");
    return token;
}

bool is_at_end(std::string_view rest) {
    return rest.empty() || rest.front() == '#';
}

// Takes one field off the front of `rest`.
Result<AuthField> take_field(std::string_view& rest) {
    AuthField field;
    while (true) {
        rest = skip_blanks(rest);
        if (is_at_end(rest) || rest.front() == ',') {
            return fail("22023", "a name is missing at a comma; write one, or remove the comma");
        }
        Result<AuthToken> token = take_token(rest);
        if (!token) return tl::unexpected<Error>(token.error());
        field.push_back(std::move(*token));
        if (rest.empty() || rest.front() != ',') return field;
        rest.remove_prefix(1);
    }
}

// Gives the logical lines of `text` one by one.
class Lines {
  public:
    explicit Lines(std::string_view text) : rest_(text) {
        constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
        if (rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
    }

    // False at the end.
    bool next() {
        if (rest_.empty()) return false;
        joined_.clear();
        number_ += std::max(physical_, 1);
        physical_ = 0;
        while (true) {
            const size_t end = rest_.find('\n');
            std::string_view line = rest_.substr(0, end);
            rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
            ++physical_;
            if (line.ends_with('\r')) line.remove_suffix(1);
            const bool goes_on = line.ends_with('\\') && !rest_.empty();
            if (goes_on) line.remove_suffix(1);
            joined_ += line;
            if (!goes_on) return true;
        }
    }
    [[nodiscard]] const std::string& text() const { return joined_; }
    // Of its first physical line.
    [[nodiscard]] int number() const { return number_; }

  private:
    std::string_view rest_;
    std::string joined_;
    int number_ = 0;
    int physical_ = 0;
};

std::string beside(const std::string& file, const std::string& name) {
    const size_t slash = file.rfind('/');
    if (name.starts_with('/') || slash == std::string::npos) return name;
    return file.substr(0, slash + 1) + name;
}

class Reader {
  public:
    Reader(const AuthFiles& files, size_t expand_from, size_t expand_to,
           std::vector<ConfigError>& errors)
        : files_(files), expand_from_(expand_from), expand_to_(expand_to), errors_(errors) {}

    void read_whole(const std::string& path) {
        const Result<std::string> text = files_.read(path);
        if (!text) return complain({path, 0}, cannot_read(path, text.error()));
        read_lines(*text, path, 0);
    }

    std::vector<AuthLine> lines;

  private:
    static std::string cannot_read(const std::string& path, const Error& error) {
        return fmt::format("cannot read \"{}\": {}; create it, or correct the path", path,
                           error.message);
    }

    void complain(const IniPlace& at, std::string message) {
        add_error(errors_, {at.file, at.line, std::move(message)});
    }

    // False, and complains, when what is read has no end in sight.
    bool is_within_limits(const IniPlace& at, int depth) {
        if (depth > kIncludeDepthMax) {
            complain(at, fmt::format("more than {} files inside of each other; does one include "
                                     "itself?",
                                     kIncludeDepthMax));
            return false;
        }
        if (++files_read_ > kIncludesMax || tokens_ > kAuthTokensMax) {
            if (!is_too_much_) {
                complain(at, fmt::format("more than {} files or {} names; does one include "
                                         "itself?",
                                         kIncludesMax, kAuthTokensMax));
            }
            is_too_much_ = true;
            return false;
        }
        return true;
    }

    void read_lines(std::string_view text, const std::string& file, int depth) {
        for (Lines each(text); !is_too_much_ && each.next();) {
            const IniPlace at{file, each.number()};
            if (each.text().find('\0') != std::string::npos) {
                complain(at, "the line holds a NUL byte; save the file as plain text");
                continue;
            }
            std::optional<AuthLine> line = read_line(each.text(), at, depth);
            if (!line) continue;
            if (!take_include(*line, depth)) lines.push_back(std::move(*line));
        }
    }

    std::optional<AuthLine> read_line(std::string_view rest, const IniPlace& at, int depth) {
        AuthLine line{at, {}};
        bool is_right = true;
        for (rest = skip_blanks(rest); !is_at_end(rest); rest = skip_blanks(rest)) {
            Result<AuthField> field = take_field(rest);
            if (!field) {
                complain(at, field.error().message);
                return std::nullopt;
            }
            tokens_ += field->size();
            const size_t index = line.fields.size();
            if (index >= expand_from_ && index < expand_to_) {
                AuthField expanded;
                is_right = expand(*field, expanded, at, depth) && is_right;
                *field = std::move(expanded);
            }
            line.fields.push_back(std::move(*field));
        }
        if (!is_right || line.fields.empty()) return std::nullopt;
        return line;
    }

    // ---- @FILE ----

    bool expand(AuthField& field, AuthField& into, const IniPlace& at, int depth) {
        bool is_right = true;
        for (AuthToken& token : field) {
            if (!token.is_quoted && token.text.size() > 1 && token.text.front() == '@') {
                is_right = read_names(token.text.substr(1), into, at, depth + 1) && is_right;
            } else {
                into.push_back(std::move(token));
            }
        }
        return is_right;
    }

    bool read_names(const std::string& name, AuthField& into, const IniPlace& from, int depth) {
        if (!is_within_limits(from, depth)) return false;
        const std::string path = beside(from.file, name);
        const Result<std::string> text = files_.read(path);
        if (!text) {
            complain(from, cannot_read(path, text.error()));
            return false;
        }
        bool is_right = true;
        for (Lines each(*text); !is_too_much_ && each.next();) {
            const IniPlace at{path, each.number()};
            std::string_view rest = each.text();
            while (true) {
                while (!rest.empty() && (is_blank(rest.front()) || rest.front() == ','))
                    rest.remove_prefix(1);
                if (is_at_end(rest)) break;
                Result<AuthToken> token = take_token(rest);
                if (!token) {
                    complain(at, token.error().message);
                    return false;
                }
                ++tokens_;
                AuthField one{std::move(*token)};
                if (!one.front().is_quoted && one.front().text.starts_with('@')) {
                    is_right = expand(one, into, at, depth) && is_right;
                } else {
                    into.push_back(std::move(one.front()));
                }
            }
        }
        return is_right && !is_too_much_;
    }

    // ---- include ----

    // True when the line was one.
    bool take_include(const AuthLine& line, int depth) {
        const AuthToken& word = line.fields.front().front();
        const bool is_file = word.is("include");
        const bool is_optional = word.is("include_if_exists");
        const bool is_directory = word.is("include_dir");
        if (!is_file && !is_optional && !is_directory) return false;
        const bool is_one = line.fields.size() == 2 && line.fields[0].size() == 1 &&
                            line.fields[1].size() == 1 && !line.fields[1].front().text.empty();
        if (!is_one) {
            complain(line.at, fmt::format("{} takes one {}; put a name with blanks or commas into "
                                          "quotes",
                                          word.text, is_directory ? "directory" : "file"));
            return true;
        }
        const std::string path = beside(line.at.file, line.fields[1].front().text);
        if (is_directory) {
            include_directory(path, line.at, depth + 1);
        } else {
            include_file(path, line.at, is_optional, depth + 1);
        }
        return true;
    }

    void include_file(const std::string& path, const IniPlace& at, bool is_optional, int depth) {
        if (!is_within_limits(at, depth)) return;
        const Result<std::string> text = files_.read(path);
        if (!text && is_optional && text.error().sqlstate == "58P01") return;
        if (!text) return complain(at, cannot_read(path, text.error()));
        read_lines(*text, path, depth);
    }

    void include_directory(const std::string& path, const IniPlace& at, int depth) {
        Result<std::vector<std::string>> names = files_.list(path);
        if (!names) return complain(at, cannot_read(path, names.error()));
        std::sort(names->begin(), names->end());
        for (const std::string& name : *names) {
            if (name.starts_with('.') || !name.ends_with(".conf")) continue;
            include_file(path + "/" + name, at, false, depth);
        }
    }

    const AuthFiles& files_;
    const size_t expand_from_;
    const size_t expand_to_;
    std::vector<ConfigError>& errors_;
    int files_read_ = 0;
    size_t tokens_ = 0;
    bool is_too_much_ = false;
};

struct DirectoryCloser {
    void operator()(DIR* directory) const { closedir(directory); }
};

}  // namespace

Result<std::vector<std::string>> read_directory(const std::string& path) {
    const std::unique_ptr<DIR, DirectoryCloser> directory(opendir(path.c_str()));
    if (!directory) return fail("58P01", std::strerror(errno));
    std::vector<std::string> names;
    while (const dirent* entry = readdir(directory.get()))
        names.emplace_back(entry->d_name);
    return names;
}

std::vector<AuthLine> read_auth_lines(const std::string& path, const AuthFiles& files,
                                      size_t expand_from, size_t expand_to,
                                      std::vector<ConfigError>& errors) {
    Reader reader(files, expand_from, expand_to, errors);
    reader.read_whole(path);
    return std::move(reader.lines);
}

}  // namespace weir
