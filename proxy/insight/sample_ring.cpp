#include "proxy/insight/sample_ring.h"

#include <cstring>

#include "protocol/base/check.h"

namespace weir {

SampleRing::SampleRing(size_t bytes)
    : mask_(bytes - 1), buffer_(std::make_unique_for_overwrite<char[]>(bytes)) {
    WEIR_CHECK((bytes & mask_) == 0);
    WEIR_CHECK(bytes >= 4 * (kSampleTextBytesMax + 1024));
}

bool SampleRing::push(const Sample& sample, const SampleTexts& texts) {
    const std::string_view database = texts.database.substr(0, kSampleNameBytesMax);
    const std::string_view user = texts.user.substr(0, kSampleNameBytesMax);
    const std::string_view name = texts.application_name.substr(0, kSampleNameBytesMax);
    const std::string_view sql = texts.sql.substr(0, kSampleTextBytesMax);
    const size_t content =
        sizeof(Header) + sizeof(Sample) + database.size() + user.size() + name.size() + sql.size();
    const size_t need = (content + kAlign - 1) / kAlign * kAlign;
    const uint64_t head = head_.load(std::memory_order_relaxed);
    const size_t to_end = mask_ + 1 - (head & mask_);
    const size_t gap = to_end < need ? to_end : 0;
    if (head + gap + need - known_tail_ > mask_ + 1) {
        known_tail_ = tail_.load(std::memory_order_acquire);
        if (head + gap + need - known_tail_ > mask_ + 1) return false;
    }
    if (gap > 0) {
        const Header header{static_cast<uint32_t>(gap), 0, 0, 0, 0, true};
        std::memcpy(buffer_.get() + (head & mask_), &header, sizeof header);
    }
    const Header header{static_cast<uint32_t>(need),           static_cast<uint16_t>(sql.size()),
                        static_cast<uint8_t>(database.size()), static_cast<uint8_t>(user.size()),
                        static_cast<uint8_t>(name.size()),     false};
    char* out = buffer_.get() + ((head + gap) & mask_);
    const auto put = [&out](const void* from, size_t bytes) {
        std::memcpy(out, from, bytes);
        out += bytes;
    };
    put(&header, sizeof header);
    put(&sample, sizeof sample);
    for (const std::string_view text : {database, user, name, sql})
        put(text.data(), text.size());
    head_.store(head + gap + need, std::memory_order_release);
    return true;
}

uint64_t SampleRing::read(uint64_t at, Record& out) const {
    const char* from = buffer_.get() + (at & mask_);
    Header header;
    std::memcpy(&header, from, sizeof header);
    out.is_gap = header.is_gap;
    if (header.is_gap) return at + header.bytes;
    from += sizeof header;
    std::memcpy(&out.sample, from, sizeof out.sample);
    from += sizeof out.sample;
    const auto take = [&from](size_t bytes) {
        const std::string_view text(from, bytes);
        from += bytes;
        return text;
    };
    out.texts.database = take(header.database_bytes);
    out.texts.user = take(header.user_bytes);
    out.texts.application_name = take(header.application_name_bytes);
    out.texts.sql = take(header.text_bytes);
    return at + header.bytes;
}

}  // namespace weir
