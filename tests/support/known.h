// Known: what the product is known not to get right yet, and the simulator therefore keeps away
// from. WEIR_SIM_STRICT=all, or some of the names below, does not: use it to see a fault, and to
// replay a seed that was found with it. What has been mended is taken out of here. Thread: any.
#pragma once

#include <cstdlib>
#include <string_view>

namespace weir::sim {

inline bool is_strict(std::string_view name) {
    static const char* const text = std::getenv("WEIR_SIM_STRICT");
    const std::string_view all = text == nullptr ? std::string_view() : std::string_view(text);
    return all == "all" || all.find(name) != std::string_view::npos;
}

struct Known {
    // Bind to the unnamed statement of an earlier transaction: a query of the proxy's own (check,
    // SET) drops it on the server, which the proxy does not notice.
    static inline const bool kReusesUnnamed = true;
    // Send more behind a batch that will fail: a Parse of the proxy's own that the failure makes
    // the server skip is taken as done by the batches behind it.
    static inline const bool kGoesOnBehindFailure = is_strict("behind-failure");
    // Send more behind DEALLOCATE ALL: the proxy answers a Parse of a text that the server is about
    // to forget.
    static inline const bool kGoesOnBehindDeallocate = is_strict("behind-deallocate");
    // Nothing gathered for one client is left for the next: a session that ends behind a rejected
    // batch leaves its ReadyForQuery in WorkerContext::to_client. Otherwise the world clears it.
    static inline const bool kLeavesNoOutput = true;
    // A server says more right behind the ReadyForQuery of its login (57P01, say): a WEIR_BUG.
    static inline const bool kBytesBehindLogin = true;
    // A batch that fails after more statements than max_prepared_statements: what the proxy's own
    // Close and Parse of one text did, both skipped, is taken back in the wrong order.
    static inline const bool kEvictsInFailedBatch = true;
};

}  // namespace weir::sim
