// ByteView (what the wire gives us), big-endian loads and stores, and a reader that cannot overrun.
// Thread: any (values).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace weir {

using ByteView = std::span<const uint8_t>;

inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline ByteView as_bytes(std::string_view text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

inline uint16_t load_be16(const uint8_t* p) {
    uint16_t v;
    std::memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}
inline uint32_t load_be32(const uint8_t* p) {
    uint32_t v;
    std::memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}
inline uint64_t load_be64(const uint8_t* p) {
    uint64_t v;
    std::memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}
inline void store_be16(uint8_t* p, uint16_t v) {
    v = __builtin_bswap16(v);
    std::memcpy(p, &v, sizeof v);
}
inline void store_be32(uint8_t* p, uint32_t v) {
    v = __builtin_bswap32(v);
    std::memcpy(p, &v, sizeof v);
}
inline void store_be64(uint8_t* p, uint64_t v) {
    v = __builtin_bswap64(v);
    std::memcpy(p, &v, sizeof v);
}
static_assert(std::endian::native == std::endian::little, "the loads above swap unconditionally");

// Reads big-endian fields from a view. After a read past the end, ok() is false, every further read
// gives zero or empty, and the caller reports one malformed message; nothing is ever read outside.
class ByteReader {
  public:
    explicit ByteReader(ByteView bytes) : rest_(bytes) {}

    [[nodiscard]] bool ok() const { return ok_; }
    [[nodiscard]] bool at_end() const { return rest_.empty(); }
    [[nodiscard]] size_t remaining() const { return rest_.size(); }

    uint8_t u8() {
        const ByteView b = bytes(1);
        return b.empty() ? uint8_t{0} : b[0];
    }
    uint16_t u16() {
        const ByteView b = bytes(2);
        return b.empty() ? uint16_t{0} : load_be16(b.data());
    }
    uint32_t u32() {
        const ByteView b = bytes(4);
        return b.empty() ? 0 : load_be32(b.data());
    }
    int32_t i32() { return static_cast<int32_t>(u32()); }

    // The next n bytes; empty and !ok() when fewer are left.
    ByteView bytes(size_t n) {
        if (n > rest_.size()) {
            ok_ = false;
            rest_ = {};
            return {};
        }
        const ByteView out = rest_.first(n);
        rest_ = rest_.subspan(n);
        return out;
    }

    // A NUL-terminated string, without its NUL; empty and !ok() when there is no NUL.
    std::string_view cstring() {
        const void* nul = rest_.empty() ? nullptr : std::memchr(rest_.data(), 0, rest_.size());
        if (nul == nullptr) {
            ok_ = false;
            rest_ = {};
            return {};
        }
        const size_t n = static_cast<size_t>(static_cast<const uint8_t*>(nul) - rest_.data());
        const std::string_view out = as_text(rest_.first(n));
        rest_ = rest_.subspan(n + 1);
        return out;
    }

    ByteView rest() {
        const ByteView out = rest_;
        rest_ = {};
        return out;
    }

  private:
    ByteView rest_;
    bool ok_ = true;
};

}  // namespace weir
