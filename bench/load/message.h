// PostgreSQL messages as bytes, for the bench programs. Deliberately independent of protocol/:
// a mistake there must not be made twice and so cancel out in a measurement.
// Thread: any (no state but the string it writes to).

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::bench {

constexpr uint32_t kProtocolVersion30 = 3u << 16;
constexpr uint32_t kCancelRequest = (1234u << 16) + 5678;
constexpr uint32_t kSslRequest = (1234u << 16) + 5679;
constexpr uint32_t kGssEncRequest = (1234u << 16) + 5680;

inline uint16_t load_u16(const char* from) {
    const auto* byte = reinterpret_cast<const unsigned char*>(from);
    return static_cast<uint16_t>(byte[0] << 8 | byte[1]);
}

inline uint32_t load_u32(const char* from) {
    const auto* byte = reinterpret_cast<const unsigned char*>(from);
    return static_cast<uint32_t>(byte[0]) << 24 | static_cast<uint32_t>(byte[1]) << 16 |
           static_cast<uint32_t>(byte[2]) << 8 | static_cast<uint32_t>(byte[3]);
}

inline void append_u16(std::string& out, uint32_t value) {
    out.push_back(static_cast<char>(value >> 8 & 0xff));
    out.push_back(static_cast<char>(value & 0xff));
}

inline void append_u32(std::string& out, uint32_t value) {
    append_u16(out, value >> 16);
    append_u16(out, value & 0xffff);
}

inline void append_cstring(std::string& out, std::string_view text) {
    out.append(text);
    out.push_back('\0');
}

// Appends one message: construct it, append the body to the same string, and let it go out of
// scope.
class MessageScope {
  public:
    MessageScope(std::string& out, char tag) : out_(out) {
        if (tag != '\0') out_.push_back(tag);
        start_ = out_.size();
        append_u32(out_, 0);
    }
    MessageScope(const MessageScope&) = delete;
    MessageScope& operator=(const MessageScope&) = delete;
    ~MessageScope() {
        const auto length = static_cast<uint32_t>(out_.size() - start_);
        for (size_t i = 0; i < 4; i++) {
            out_[start_ + i] = static_cast<char>(length >> (24 - 8 * i) & 0xff);
        }
    }

  private:
    std::string& out_;
    size_t start_ = 0;
};

inline void append_message(std::string& out, char tag, std::string_view body = {}) {
    const MessageScope scope(out, tag);
    out.append(body);
}

// Takes the bytes up to the next NUL (and the NUL) off the front of `from`.
inline std::string_view take_cstring(std::string_view& from) {
    const size_t end = from.find('\0');
    const std::string_view text = from.substr(0, end);
    from.remove_prefix(end == std::string_view::npos ? from.size() : end + 1);
    return text;
}

}  // namespace weir::bench
