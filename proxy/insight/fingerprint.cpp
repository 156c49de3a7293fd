#include "proxy/insight/fingerprint.h"

#include <pg_query.h>

#include <string>

#include "proxy/routing/sql_shape.h"

namespace weir {

std::optional<uint64_t> fingerprint(std::string_view sql) {
    const SqlShape shape = shape_of(sql);
    if (shape.is_empty || shape.depth_bound > kParseDepthMax) return std::nullopt;
    const std::string terminated(sql);
    const PgQueryFingerprintResult result = pg_query_fingerprint(terminated.c_str());
    std::optional<uint64_t> out;
    if (result.error == nullptr) out = result.fingerprint;
    pg_query_free_fingerprint_result(result);
    return out;
}

}  // namespace weir
