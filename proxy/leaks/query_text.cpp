#include "proxy/leaks/query_text.h"

#include <algorithm>
#include <cstring>

#include "protocol/base/bytes.h"
#include "protocol/base/utf8.h"
#include "proxy/prepared/statement.h"

namespace weir {

namespace {

bool is_whitespace(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
bool is_decimal(char c) {
    return c >= '0' && c <= '9';
}
bool is_word(char c) {
    return is_decimal(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}

// `text` to the end of `out`, with what is no UTF-8 masked and without control characters.
void append_shown(std::string& out, std::string_view text) {
    while (!text.empty()) {
        const size_t bytes = utf8_character_bytes(text);
        if (bytes == 0) {
            out += '?';
        } else if (bytes > 1 || (static_cast<unsigned char>(text[0]) >= ' ' && text[0] != '\x7f')) {
            out += text.substr(0, bytes);
        }
        text.remove_prefix(std::max<size_t>(bytes, 1));
    }
}

class Normaliser {
  public:
    explicit Normaliser(std::string_view sql) : sql_(sql) { out_.reserve(sql.size()); }

    std::string run() {
        while (at_ < sql_.size())
            step();
        while (!out_.empty() && out_.back() == ' ')
            out_.pop_back();
        return std::move(out_);
    }

  private:
    [[nodiscard]] char peek(size_t ahead) const {
        return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0';
    }
    void blank() {
        if (!out_.empty() && out_.back() != ' ') out_ += ' ';
    }

    void step() {
        const char c = sql_[at_];
        if (is_whitespace(c)) {
            ++at_;
            return blank();
        }
        if (c == '-' && peek(1) == '-') return line_comment();
        if (c == '/' && peek(1) == '*') return block_comment();
        if (c == '\'') return literal(false);
        if (c == '"') return quoted_name();
        if (c == '$') return dollar();
        if (is_decimal(c) || (c == '.' && is_decimal(peek(1)))) return number();
        if (is_word(c)) return word();
        append_shown(out_, sql_.substr(at_++, 1));
    }

    void line_comment() {
        at_ = std::min(sql_.find('\n', at_), sql_.size());
        blank();
    }

    void block_comment() {
        int depth = 0;
        do {
            if (peek(0) == '/' && peek(1) == '*') {
                ++depth;
                at_ += 2;
            } else if (peek(0) == '*' && peek(1) == '/') {
                --depth;
                at_ += 2;
            } else {
                ++at_;
            }
        } while (depth > 0 && at_ < sql_.size());
        at_ = std::min(at_, sql_.size());
        blank();
    }

    // At the opening quote.
    void literal(bool has_escapes) {
        ++at_;
        while (at_ < sql_.size()) {
            if (has_escapes && sql_[at_] == '\\') {
                at_ += 2;
                continue;
            }
            if (sql_[at_++] != '\'') continue;
            if (peek(0) != '\'') break;
            ++at_;
        }
        at_ = std::min(at_, sql_.size());
        out_ += '?';
    }

    void quoted_name() {
        const size_t from = at_++;
        while (at_ < sql_.size() && sql_[at_] != '"')
            ++at_;
        at_ = std::min(at_ + 1, sql_.size());
        copy(from);
    }

    // A parameter, or $tag$ up to the same $tag$.
    void dollar() {
        size_t end = at_ + 1;
        if (is_decimal(peek(1))) {
            while (end < sql_.size() && is_decimal(sql_[end]))
                ++end;
            const size_t from = at_;
            at_ = end;
            return copy(from);
        }
        while (end < sql_.size() && is_word(sql_[end]))
            ++end;
        if (end >= sql_.size() || sql_[end] != '$') {
            // Cut within the tag, or no literal at all: nothing of it is shown, to be safe.
            at_ = end;
            out_ += '?';
            return;
        }
        const std::string_view tag = sql_.substr(at_, end + 1 - at_);
        const size_t close = sql_.find(tag, end + 1);
        at_ = close == std::string_view::npos ? sql_.size() : close + tag.size();
        out_ += '?';
    }

    void number() {
        while (at_ < sql_.size()) {
            const char c = sql_[at_];
            const bool is_exponent_sign =
                (c == '+' || c == '-') && (sql_[at_ - 1] == 'e' || sql_[at_ - 1] == 'E');
            if (!is_word(c) && c != '.' && !is_exponent_sign) break;
            ++at_;
        }
        out_ += '?';
    }

    void word() {
        const size_t from = at_;
        while (at_ < sql_.size() && (is_word(sql_[at_]) || sql_[at_] == '$'))
            ++at_;
        // E'…', B'…', X'…', N'…': the letter belongs to the literal.
        const bool is_prefix = at_ - from == 1 && peek(0) == '\'';
        const char letter = static_cast<char>(sql_[from] | 0x20);
        if (is_prefix && std::strchr("ebxn", letter) != nullptr) return literal(letter == 'e');
        copy(from);
    }

    void copy(size_t from) { append_shown(out_, sql_.substr(from, at_ - from)); }

    const std::string_view sql_;
    size_t at_ = 0;
    std::string out_;
};

}  // namespace

void QueryPrefix::note(std::string_view text) {
    const std::string_view start = text.substr(0, kBytesMax);
    const std::string_view query = start.substr(0, start.find('\0'));
    std::memcpy(text_.data(), query.data(), query.size());
    bytes_ = static_cast<uint8_t>(query.size());
    is_cut_ = query.size() == kBytesMax && text.size() > kBytesMax && text[kBytesMax] != '\0';
}

void QueryPrefix::note_prepared(std::string_view name) {
    constexpr std::string_view kVerb = "EXECUTE ";
    const std::string_view shown = name.substr(0, kBytesMax - kVerb.size());
    std::memcpy(text_.data(), kVerb.data(), kVerb.size());
    std::memcpy(text_.data() + kVerb.size(), shown.data(), shown.size());
    bytes_ = static_cast<uint8_t>(kVerb.size() + shown.size());
    is_cut_ = shown.size() < name.size();
}

std::string normalise_query(std::string_view sql) {
    return Normaliser(sql).run();
}

std::string normalise_query(const QueryPrefix& prefix) {
    return normalise_query(prefix.text()) + (prefix.is_cut() ? "..." : "");
}

std::string shown_text(std::string_view text, size_t bytes_max) {
    std::string out;
    append_shown(out, text.substr(0, bytes_max));
    return out;
}

uint64_t query_digest(std::string_view normalised) {
    return normalised.empty() ? 0 : statement_id(as_bytes(normalised)).words[0];
}

}  // namespace weir
