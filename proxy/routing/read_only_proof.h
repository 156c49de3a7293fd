// Proves that a text is read-only and may be asked of a replica, or says why not.
//
// Safe by construction: the text is parsed by PostgreSQL's own parser (libpg_query, version 15),
// and every kind of node, function, operator, type and catalog in its tree must be on a list. What
// is new, unknown, misread or too large is not proven, and goes where writes go.
//
// Proven: SELECT, VALUES, TABLE, set operations, sub-selects and CTEs that only read; SHOW of what
// is the same on all servers; EXPLAIN, with ANALYZE or not, of these; COPY … TO STDOUT; several of
// them; nothing at all. BEGIN READ ONLY is a verdict of its own: the block that it opens cannot
// write.
//
// Not proven, whatever they are used for: locks (FOR UPDATE), SELECT INTO, CTEs that write;
// functions unless built in and, in all their overloads, immutable or stable (random() is harmless
// and volatile: not proven); what answers differently on a replica (pg_is_in_recovery(), pg_stat_*,
// SHOW transaction_read_only); sessions' things (SET, LISTEN, PREPARE, cursors, temporary schemas);
// casts to types that are not built in, since enums, domains and base types look alike and a domain
// may call any function; SERIALIZABLE blocks, which a standby refuses.
//
// What cannot be seen in a text is accepted, and its worst case is an error, never a write that is
// lost: a replica refuses whatever writes with 25006.
//   * Operators and functions by built-in name: pg_catalog comes first in search_path unless it is
//     listed elsewhere, but a user's overload may fit the arguments better. Qualified names are
//     accepted with pg_catalog only.
//   * Views, row policies, user-defined casts and t.f for f(t) call what their author chose.
//   * Unlogged and temporary tables are not there on a replica (0A000, 42P01); an own sequence read
//     as a table is up to 32 ahead there.
//   * default_transaction_isolation = serializable makes a standby refuse every transaction
//   (0A000).
// A hint (route_hint.h) says where such statements belong.
//
// The texts of a session are read here as its server would only when parses_alike() says so.
//
// Costs some 50 µs and memory of the heap, all given back, per text that is worth parsing (others:
// some ns per byte); proof_cache.h keeps verdicts. libpg_query keeps some 10 kB per thread, freed
// as the thread ends. Thread: any, several at once.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace weir {

enum class ProofKind : uint8_t {
    NotProven,
    ReadOnly,
    ReadOnlyBlock,  // opens, or leaves open, a READ ONLY transaction block; all before it is
                    // read-only
};

enum class ProofReason : uint8_t {
    Proven,
    NotASelect,      // a kind of statement that is never proven; detail: its first word
    ReadWriteBlock,  // BEGIN without READ ONLY
    Serializable,    // a block that a standby refuses
    OddBlock,        // BEGIN or COMMIT in the middle of several statements
    LockingClause,   // FOR UPDATE, FOR SHARE, …
    SelectInto,
    DataModifyingCte,
    UnsafeFunction,   // volatile, or not built in; detail: its name
    ServerSpecific,   // a function, relation or setting that differs between servers; detail
    UnknownOperator,  // detail
    UnknownType,      // detail
    SessionState,     // a temporary schema; detail
    UnknownSyntax,    // a node that is on no list
    CopyElsewhere,    // FROM, or to a file or program of the server
    Unparsable,       // or of a newer PostgreSQL than the parser
    TooLong,
    TooDeep,
    kCount,
};

struct Proof {
    ProofKind kind = ProofKind::NotProven;
    ProofReason reason = ProofReason::Unparsable;
    uint8_t detail_size = 0;
    std::array<char, 61> detail_bytes{};  // cut off

    [[nodiscard]] bool is_proven() const { return kind != ProofKind::NotProven; }
    [[nodiscard]] std::string_view detail() const { return {detail_bytes.data(), detail_size}; }
};

// Longer texts are TooLong. The parser takes about 20 times a text's size for a moment.
constexpr size_t kProofBytesMax = 64 * 1024;

// `sql` as in Query or Parse, without its NUL.
[[nodiscard]] Proof prove_read_only(std::string_view sql, size_t bytes_max = kProofBytesMax);

// Whether a session with these settings reads texts as the parser does: strings without backslash
// escapes, and an encoding in which no byte below 128 is part of a longer character. "" = unknown.
[[nodiscard]] bool parses_alike(std::string_view client_encoding,
                                std::string_view standard_conforming_strings);

// For EXPLAIN ROUTE and the log ("locks rows"), and for names of counters ("locking_clause").
[[nodiscard]] std::string_view reason_text(ProofReason reason);
[[nodiscard]] std::string_view reason_name(ProofReason reason);

}  // namespace weir
