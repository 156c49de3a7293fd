// Sample: what a worker tells of one query that has ended, for SHOW QUERIES and SHOW SLOW.
//
// One query is what ends with one ReadyForQuery, as `queries` of SHOW STATS counts them: a simple
// Query (with several statements in it, too: they are one text), an extended batch up to its Sync,
// or a function call. COPY is part of the query that began it: its data are the query's bytes. Of a
// batch with several statements the text is that of the last one, since drivers put BEGIN in front
// (the rows are those of all). Requests that are in flight at the same time are told one by one;
// the time of each begins with the answer to the one before, and bytes are told of the oldest.
//
// Weight: how many queries it stands for, see Sampler. Thread: any (values).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "proxy/runtime/address.h"

namespace weir {

// The text is kept up to this length; what is longer is not parsed, only normalised.
constexpr size_t kSampleTextBytesMax = 1024;
// PostgreSQL cuts names at this length, too.
constexpr size_t kSampleNameBytesMax = 63;

enum class SampleKind : uint8_t {
    Query,         // simple or extended
    Preparation,   // a batch that only parses or describes: no call
    FunctionCall,  // has no text
};
enum class SampleEnd : uint8_t {
    Answered,
    Failed,     // `sqlstate` says how
    Abandoned,  // its client went away, or was sent away, before the answer
};

// Copied as it is.
struct Sample {
    int64_t ended_us = 0;      // of the workers' clock
    uint64_t duration_us = 0;  // from the request (or its server, if it had to wait) to the answer
    uint64_t wait_us = 0;      // for a server, before that
    uint64_t rows = 0;         // of all its statements, as CommandComplete tells
    uint64_t bytes_in = 0, bytes_out = 0;
    uint64_t text_key = 0;  // of a text that is not here but was, or that comes again; 0 = none
    uint64_t client_id = 0;
    uint32_t weight = 1;
    uint32_t server_pid = 0;
    PeerAddress peer;
    std::array<char, 5> sqlstate{};
    SampleKind kind = SampleKind::Query;
    SampleEnd end = SampleEnd::Answered;
    bool is_cut = false;   // there is more of the text
    bool is_slow = false;  // slow_query_time
    // The session does not read strings as we do: nothing of the text may be shown.
    bool is_opaque = false;
};

struct SampleTexts {
    std::string_view database, user, application_name;
    std::string_view sql;  // as sent
};

}  // namespace weir
