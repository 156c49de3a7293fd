// HashChain: what makes a log tamper-evident. Each line holds the hash of the line before it in its
// chain, and its own:
//
//   {"seq":7,"chain":"4711-1769860800000000","prev":"<64 hex>",FIELDS,"hash":"<64 hex>"}
//
// `hash` is the SHA-256 of all bytes of the line in front of `,"hash"`, in hexadecimal; so nobody
// can change, delete, insert or swap lines without computing all later ones anew. That is evidence,
// no secret: whoever may write the file can do so. Keep the last hash elsewhere (a copy on another
// host, another log) to notice that, too.
//
// Each process has a chain of its own, named by its process id and the time it began at, so that
// several can append to one file. Its first line (`log opened`) has seq 1, and as `prev` the hash
// of the last line that the file had then, zeros when it had none. Thread: any (values).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir {

class HashChain {
  public:
    static constexpr size_t kHexBytes = 64;

    explicit HashChain(std::string id) : id_(std::move(id)) {}

    // The next line, without its end. `fields` is the inside of a JSON object, not empty.
    std::string link(std::string_view fields);
    // Before the first line: the last one of the file.
    void set_previous(std::string hash) { hash_ = std::move(hash); }

    [[nodiscard]] const std::string& id() const { return id_; }
    [[nodiscard]] uint64_t seq() const { return seq_; }  // of the last line; 0 = there is none
    [[nodiscard]] const std::string& hash() const { return hash_; }

    [[nodiscard]] static std::string zeros() { return std::string(kHexBytes, '0'); }

  private:
    std::string id_;
    uint64_t seq_ = 0;
    std::string hash_ = zeros();
};

// A line taken apart.
struct ChainedLine {
    uint64_t seq = 0;
    std::string_view chain, prev, hash;
    std::string_view event;  // its first field, if that is `event`
    bool is_hash_right = false;
};
// Nothing: it is no such line. Views of `line`, which has no end of line.
std::optional<ChainedLine> parse_chained_line(std::string_view line);

// Events of the log about itself.
constexpr std::string_view kLogOpened = "log opened";        // a chain begins
constexpr std::string_view kLogContinued = "log continued";  // in another file
constexpr std::string_view kLogTruncated = "log truncated";  // the file has become shorter
constexpr std::string_view kLinesLost = "lines lost";
constexpr std::string_view kLogClosed = "log closed";

}  // namespace weir
