#include "proxy/pool/size_control.h"

#include <cmath>

namespace weir {

void SizeControl::configure(SizingMode mode, uint32_t min, uint32_t size) {
    SizingOptions options;
    options.mode = mode;
    options.min = min;
    options.max = size == 0 ? kUnlimited : size;
    sizing_.configure(options);
    ceilings_.fill(static_cast<uint32_t>(std::lround(sizing_.ceiling())));
    target_ = std::clamp(target_, std::min(min, ceiling()), ceiling());
    if (mode == SizingMode::Fixed) target_ = ceiling();
}

void SizeControl::update(Instant now, const Now& pool, const PoolTotals& totals,
                         uint32_t capacity_signals) {
    note_use(pool.in_use, pool.waiting);
    const bool is_waiting = is_waiting_;
    note_queue(false, now);  // counted so far
    note_queue(is_waiting, now);
    const Duration passed =
        sampled_at_.is_never() ? kInterval : std::max(now - sampled_at_, Duration(1));
    SizingSample sample;
    sample.in_use = pool.in_use;
    sample.waiting = pool.waiting;
    sample.in_use_peak = in_use_peak_;
    sample.released = totals.transactions - transactions_;
    sample.service_total = Duration(static_cast<int64_t>(totals.query_us - query_us_));
    sample.saturated_share =
        static_cast<double>(waited_.count()) / static_cast<double>(passed.count());
    sample.capacity_signals = capacity_signals;
    sizing_.observe(wanted_peak_, 0, now);
    target_ = sizing_.update(now, sample);
    std::rotate(ceilings_.begin(), ceilings_.end() - 1, ceilings_.end());
    ceilings_[0] = static_cast<uint32_t>(std::lround(sizing_.ceiling()));
    surplus_left_ = std::max<uint32_t>(pool.total / 10, 1);
    sampled_at_ = now;
    transactions_ = totals.transactions;
    query_us_ = totals.query_us;
    waited_ = Duration(0);
    in_use_peak_ = wanted_peak_ = 0;
}

}  // namespace weir
