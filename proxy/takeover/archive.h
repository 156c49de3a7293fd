// Archive: how the state that is handed over to a new process is written down. A record is a
// sequence of fields: tag (1 byte, from 1, ascending), length (4 bytes, big-endian), value. A field
// whose value is zero or empty is left out. Whoever reads skips tags that it does not know and
// takes what is missing for zero, so that fields may be added without a new format.
//
// One function describes both directions:
//
//   template <typename Archive, typename T> void fields(Archive& a, T& it) { a(1, it.name); ... }
//
// with a(tag, member) for integers, booleans, Instants, texts, vectors, optionals and records, and
// a.choice(tag, member, last) for enumerations. Tags ascend.
// Pure. Thread: any (values).
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"

namespace weir {

namespace archive {

template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};
template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};
// Neither of those, nor a single value: it has fields.
template <typename T>
constexpr bool kIsRecord =
    !std::is_integral_v<T> && !std::is_same_v<T, Instant> && !std::is_same_v<T, Duration> &&
    !std::is_same_v<T, std::string> && !IsOptional<T>::value && !IsVector<T>::value;

inline void put_u32(std::string& out, uint32_t value) {
    uint8_t bytes[4];
    store_be32(bytes, value);
    out.append(as_text(bytes));
}

}  // namespace archive

class ArchiveWriter {
  public:
    explicit ArchiveWriter(std::string& out) : out_(out) {}

    template <typename T>
    void operator()(uint8_t tag, const T& value) {
        const size_t at = begin(tag);
        put(value);
        end(at);
    }
    template <typename T>
    void choice(uint8_t tag, const T& value, T /*last*/) {
        (*this)(tag, static_cast<uint32_t>(value));
    }

  private:
    static constexpr size_t kHeaderBytes = 5;

    size_t begin(uint8_t tag) {
        out_.push_back(static_cast<char>(tag));
        archive::put_u32(out_, 0);
        return out_.size();
    }
    // Fills in the length; an empty field goes away.
    void end(size_t at) {
        if (out_.size() == at) return out_.resize(at - kHeaderBytes);
        store_be32(reinterpret_cast<uint8_t*>(out_.data()) + at - 4,
                   static_cast<uint32_t>(out_.size() - at));
    }

    template <typename T>
    void put(const T& value) {
        if constexpr (std::is_integral_v<T>) {
            if (value == T{}) return;
            uint8_t bytes[8];
            store_be64(bytes, static_cast<uint64_t>(value));
            out_.append(as_text(bytes));
        } else if constexpr (std::is_same_v<T, Instant>) {
            put(value.us);
        } else if constexpr (std::is_same_v<T, Duration>) {
            put(static_cast<int64_t>(value.count()));
        } else if constexpr (std::is_same_v<T, std::string>) {
            out_.append(value);
        } else if constexpr (archive::IsOptional<T>::value) {
            if (value) put_element(*value);
        } else if constexpr (archive::IsVector<T>::value) {
            for (const auto& element : value)
                put_element(element);
        } else {
            ArchiveWriter inner(out_);
            fields(inner, const_cast<T&>(value));  // which only reads it
        }
    }
    template <typename T>
    void put_element(const T& element) {
        archive::put_u32(out_, 0);
        const size_t at = out_.size();
        put(element);
        store_be32(reinterpret_cast<uint8_t*>(out_.data()) + at - 4,
                   static_cast<uint32_t>(out_.size() - at));
    }

    std::string& out_;
};

class ArchiveReader {
  public:
    explicit ArchiveReader(ByteView bytes) : rest_(bytes) {}

    // When all fields that are known have been asked for: whether nothing was malformed, neither in
    // them nor in those that are not.
    [[nodiscard]] bool finish() {
        while (ok_ && !rest_.empty())
            (void)next();
        return ok_;
    }

    template <typename T>
    void operator()(uint8_t tag, T& value) {
        value = T{};
        const std::optional<ByteView> bytes = find(tag);
        if (bytes) {
            ok_ = get(*bytes, value) && ok_;
        } else if constexpr (archive::kIsRecord<T>) {
            (void)get(ByteView(), value);  // its fields are zero, whatever they are in a new one
        }
    }
    template <typename T>
    void choice(uint8_t tag, T& value, T last) {
        uint32_t word = 0;
        (*this)(tag, word);
        if (word > static_cast<uint32_t>(last)) {
            ok_ = false;
            word = 0;
        }
        value = static_cast<T>(word);
    }

  private:
    struct Field {
        uint8_t tag = 0;
        ByteView value;
    };
    Field next() {
        ByteReader reader(rest_);
        Field field;
        field.tag = reader.u8();
        field.value = reader.bytes(reader.u32());
        ok_ = reader.ok() && field.tag > last_tag_;
        last_tag_ = field.tag;
        rest_ = reader.rest();
        return field;
    }
    // The value of the field `tag`; fields before it are passed over.
    std::optional<ByteView> find(uint8_t tag) {
        while (ok_ && !rest_.empty() && rest_[0] <= tag) {
            const Field field = next();
            if (ok_ && field.tag == tag) return field.value;
        }
        return std::nullopt;
    }

    template <typename T>
    static bool get(ByteView bytes, T& value) {
        if constexpr (std::is_integral_v<T>) {
            if (bytes.empty()) return true;
            if (bytes.size() != 8) return false;
            const uint64_t word = load_be64(bytes.data());
            if constexpr (std::is_same_v<T, bool>) {
                value = word != 0;
            } else {
                value = static_cast<T>(word);
                return static_cast<uint64_t>(value) == word;
            }
            return true;
        } else if constexpr (std::is_same_v<T, Instant>) {
            return get(bytes, value.us);
        } else if constexpr (std::is_same_v<T, Duration>) {
            int64_t us = 0;
            const bool is_right = get(bytes, us);
            value = Duration(us);
            return is_right;
        } else if constexpr (std::is_same_v<T, std::string>) {
            value = as_text(bytes);
            return true;
        } else if constexpr (archive::IsOptional<T>::value) {
            ByteReader reader(bytes);
            const ByteView element = reader.bytes(reader.u32());
            value.emplace();
            return reader.ok() && reader.at_end() && get(element, *value);
        } else if constexpr (archive::IsVector<T>::value) {
            ByteReader reader(bytes);
            while (!reader.at_end()) {
                const ByteView element = reader.bytes(reader.u32());
                if (!reader.ok()) return false;
                typename T::value_type made{};
                if (!get(element, made)) return false;
                value.push_back(std::move(made));
            }
            return true;
        } else {
            ArchiveReader inner(bytes);
            fields(inner, value);
            return inner.finish();
        }
    }

    ByteView rest_;
    uint8_t last_tag_ = 0;
    bool ok_ = true;
};

// A record as bytes.
template <typename T>
std::string write_record(const T& record) {
    std::string out;
    ArchiveWriter writer(out);
    fields(writer, const_cast<T&>(record));  // which only reads it
    return out;
}

// The record that `bytes` hold; nothing when they are malformed.
template <typename T>
std::optional<T> read_record(ByteView bytes) {
    T out{};
    ArchiveReader reader(bytes);
    fields(reader, out);
    if (!reader.finish()) return std::nullopt;
    return out;
}

}  // namespace weir
