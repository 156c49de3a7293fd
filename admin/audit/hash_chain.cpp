#include "admin/audit/hash_chain.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>

#include "protocol/auth/scram_crypto.h"
#include "protocol/base/bytes.h"

namespace weir {

namespace {

constexpr std::string_view kHashField = ",\"hash\":\"";

std::string hex_hash(std::string_view text) {
    std::string out;
    for (const uint8_t byte : sha256(as_bytes(text)))
        out += fmt::format("{:02x}", byte);
    return out;
}

bool is_hex(std::string_view text) {
    return text.size() == HashChain::kHexBytes && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

bool take(std::string_view& rest, std::string_view prefix) {
    if (!rest.starts_with(prefix)) return false;
    rest.remove_prefix(prefix.size());
    return true;
}

// Up to the next quote, which is taken as well.
std::optional<std::string_view> take_string(std::string_view& rest) {
    const size_t end = rest.find('"');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    return text;
}

}  // namespace

std::string HashChain::link(std::string_view fields) {
    std::string line =
        fmt::format("{{\"seq\":{},\"chain\":\"{}\",\"prev\":\"{}\",{}", ++seq_, id_, hash_, fields);
    hash_ = hex_hash(line);
    line += kHashField;
    line += hash_;
    line += "\"}";
    return line;
}

std::optional<ChainedLine> parse_chained_line(std::string_view line) {
    ChainedLine out;
    std::string_view rest = line;
    if (!take(rest, "{\"seq\":")) return std::nullopt;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), out.seq);
    if (error != std::errc() || out.seq == 0) return std::nullopt;
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    if (!take(rest, ",\"chain\":\"")) return std::nullopt;
    const auto chain = take_string(rest);
    if (!chain || !take(rest, ",\"prev\":\"")) return std::nullopt;
    const auto prev = take_string(rest);
    if (!prev || !is_hex(*prev) || !take(rest, ",")) return std::nullopt;
    const size_t tail_bytes = kHashField.size() + HashChain::kHexBytes + 2;
    if (rest.size() < tail_bytes || !rest.ends_with("\"}")) return std::nullopt;
    std::string_view tail = rest.substr(rest.size() - tail_bytes);
    if (!take(tail, kHashField)) return std::nullopt;
    out.chain = *chain;
    out.prev = *prev;
    out.hash = tail.substr(0, HashChain::kHexBytes);
    if (!is_hex(out.hash)) return std::nullopt;
    if (take(rest, "\"event\":\"")) out.event = take_string(rest).value_or(std::string_view());
    out.is_hash_right = hex_hash(line.substr(0, line.size() - tail_bytes)) == out.hash;
    return out;
}

}  // namespace weir
