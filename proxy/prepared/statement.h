// Prepared statements by content. A statement is its text and parameter types, and the settings
// that it is parsed under: what '02/03/2020'::date or '...'::timestamptz means is decided then, by
// DateStyle and TimeZone. (While a SET is on its way these are not known: 16 random bytes stand for
// them, and it is nobody else's.) Its id is the first 128 bits of SHA-256 over all that, so that
// all workers name it alike with no lock and nobody can forge a collision. On a server it is called
// by that id; clients call it what they like.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "protocol/base/bytes.h"
#include "protocol/base/intrusive_list.h"
#include "proxy/prepared/forgetting.h"

namespace weir {

struct StatementId {
    std::array<uint64_t, 2> words{};
    friend bool operator==(const StatementId&, const StatementId&) = default;
};

struct StatementIdHash {
    size_t operator()(const StatementId& id) const { return id.words[0]; }  // uniform already
};

// SHA-256 over `content`: settings, and the Parse body after its name (text, NUL, parameter types).
StatementId statement_id(ByteView content);

// The name on servers: "weir_" and 32 hexadecimal digits.
constexpr size_t kServerNameBytes = 37;
using ServerName = std::array<char, kServerNameBytes>;
ServerName server_name(const StatementId& id);

struct StatementHook : ListHook {};

// One text, interned by one worker. Owned by its StatementCache; referenced by clients of that
// worker.
struct Statement : StatementHook {
    std::string content;              // settings, then text and types
    std::string_view settings;        // of it; empty = whichever there are when it is parsed
    std::string_view text_and_types;  // of it
    StatementId id;                   // valid once is_named
    ServerName name{};                // valid once is_named
    bool is_named = false;
    Effects effects;  // of running it
    uint32_t references = 0;

    [[nodiscard]] std::string_view name_view() const { return {name.data(), name.size()}; }
    [[nodiscard]] std::string_view sql() const { return text_and_types.data(); }
};

// The worker's intern table. Unreferenced statements stay for a while (a client that comes back
// with the same text finds it) up to a bound. Thread: the worker's.
class StatementCache {
  public:
    StatementCache() = default;
    ~StatementCache();
    StatementCache(const StatementCache&) = delete;
    StatementCache& operator=(const StatementCache&) = delete;

    // The statement with this content, with one reference more for the caller. `needs_name` hashes
    // the content when it has not been yet; `settings` as TrackedParameters::append_settings()
    // gives them. Allocates only when the content is new.
    Statement& acquire(ByteView text_and_types, bool needs_name, std::string_view settings = {});
    void reference(Statement& statement) { take_off_shelf(statement); }
    void release(Statement& statement);

    [[nodiscard]] size_t size() const { return by_content_.size(); }
    [[nodiscard]] size_t bytes() const { return bytes_; }

  private:
    static constexpr size_t kUnreferencedMax = 1024;
    static constexpr size_t kUnreferencedBytesMax = 4 * 1024 * 1024;

    void take_off_shelf(Statement& statement);
    void drop_oldest();

    std::unordered_map<std::string_view, Statement*> by_content_;  // keys view into the statements
    std::string sought_;                                           // a content being looked for
    IntrusiveList<Statement, StatementHook> shelf_;                // unreferenced, oldest first
    size_t bytes_ = 0;
    size_t shelf_bytes_ = 0;
};

}  // namespace weir
