// Goal: no text crashes the proof; none is proven in whose tree, told in another way (JSON), there
// is something that writes or locks; no tree is deeper than was said before it was made. Method:
// the bytes are the text. The JSON has the names of nodes as keys; quotes in a client's strings are
// escaped there, so those cannot be mistaken.
#include "proxy/routing/read_only_proof.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/routing/route_hint.h"
#include "proxy/routing/sql_shape.h"
#include "tests/support/parse_tree_depth.h"

namespace {

constexpr std::string_view kNever[] = {
    "\"InsertStmt\":{",      "\"UpdateStmt\":{",
    "\"DeleteStmt\":{",      "\"MergeStmt\":{",
    "\"intoClause\":{",      "\"lockingClause\":[",
    "\"ExecuteStmt\":{",     "\"CallStmt\":{",
    "\"DoStmt\":{",          "\"CreateTableAsStmt\":{",
    "\"is_from\":true",      "\"is_program\":true",
    "\"VariableSetStmt\":{", "\"sval\":\"nextval\"}}],\"args\"",
};

void require(bool condition) {
    if (!condition) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace weir;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    (void)route_hint(text);
    const Proof proof = prove_read_only(text);
    require(proof.detail_size <= proof.detail_bytes.size());
    require(proof.is_proven() == (proof.reason == ProofReason::Proven));
    const SqlShape shape = shape_of(text);
    if (text.find('\0') != std::string_view::npos || shape.depth_bound > 1000) return 0;
    const std::string sql(text);
    const size_t depth = parse_tree_depth(sql);
    require(depth <= nested_messages_max(shape.depth_bound));
    if (!proof.is_proven()) return 0;
    require(depth > 0 || shape.is_empty);
    const PgQueryParseResult result = pg_query_parse(sql.c_str());
    if (result.error == nullptr) {
        for (const std::string_view never : kNever)
            require(std::string_view(result.parse_tree).find(never) == std::string_view::npos);
    }
    pg_query_free_parse_result(result);
    return 0;
}
