// SHOW POOL_SIZES: how large each pool is, may be and should be, and what its logins are at.
#include "admin/console/show_specs.h"

namespace weir {

namespace {

constexpr ResultColumn kPoolSizesColumns[] = {
    {"database"},
    {"user"},
    {"backend"},
    {"mode"},
    {"in_use", ColumnType::Int4},
    {"idle", ColumnType::Int4},
    {"waiting", ColumnType::Int4},
    {"target", ColumnType::Int4},
    {"ceiling", ColumnType::Int4},
    {"min", ColumnType::Int4},
    {"max", ColumnType::Int4},
    {"share", ColumnType::Int4},
    {"logins", ColumnType::Int4},
    {"burst", ColumnType::Int4},
    {"failures", ColumnType::Int4},
    {"next_retry_ms", ColumnType::Int4},
};

Cell unless_unlimited(uint32_t number) {
    return number >= SizeControl::kUnlimited ? Cell() : Cell(number);
}

// Until the next login may begin; NULL when none has failed.
Cell until(Instant at, Instant now) {
    if (at.is_never()) return {};
    return std::max<int64_t>((at - now).count(), 0) / 1000;
}

void add_row(const ShowInput& input, Pool& pool, CommandOutcome& outcome) {
    if (!is_listed(pool, pool.counts())) return;
    pool.resize(input.inspector.now());  // one that sleeps was not sampled lately
    const Pool::SizeView view = pool.size_view();
    outcome.rows.push_back({pool.key().database, pool.key().user,
                            pool.endpoint() == nullptr ? Cell() : Cell(pool.endpoint()->address()),
                            to_string(view.mode), view.in_use, view.idle, view.waiting,
                            unless_unlimited(view.target), unless_unlimited(view.ceiling), view.min,
                            view.max == 0 ? Cell() : Cell(view.max),
                            view.share ? Cell(*view.share) : Cell(), view.opening, view.burst,
                            view.failures, until(view.retry_at, input.inspector.now())});
}

void show_pool_sizes(const ShowInput& input, CommandOutcome& outcome) {
    input.inspector.pools().for_each_pool([&](Pool& pool) { add_row(input, pool, outcome); });
}

}  // namespace

constinit const ShowSpec kShowPoolSizes = {
    .topic = "POOL_SIZES", .columns = kPoolSizesColumns, .fill = show_pool_sizes};

}  // namespace weir
