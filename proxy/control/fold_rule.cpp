#include "proxy/control/fold_rule.h"

#include <algorithm>

namespace weir {

bool FoldRule::decide(Instant now, bool is_folded, const ThreadLoad& load, double idle_cores,
                      int clients) {
    if (is_folded) return stays_folded(now, load, idle_cores);
    if (!is_calm(now, load, clients)) return false;
    calm_since_ = {};
    folded_at_ = now;
    return true;
}

bool FoldRule::stays_folded(Instant now, const ThreadLoad& load, double idle_cores) {
    const bool would_gain =
        (load.wanted() >= kFull && idle_cores >= kIdleCores) ||
        (load.wanted() >= kBusy && (idle_cores >= kManyCores || load.waiting >= kSqueezed));
    full_looks_ = would_gain ? full_looks_ + 1 : 0;
    if (full_looks_ < kFullLooks) return true;
    full_looks_ = 0;
    const bool was_short = !folded_at_.is_never() && now - folded_at_ < calm_time_;
    calm_time_ = was_short ? std::min(2 * calm_time_, kCalmTimeMax) : kCalmTime;
    return false;
}

bool FoldRule::is_calm(Instant now, const ThreadLoad& load, int clients) {
    if (load.wanted() >= kCalm || clients > kClientsMax) {
        calm_since_ = {};
        return false;
    }
    if (calm_since_.is_never()) calm_since_ = now;
    return now - calm_since_ >= calm_time_;
}

}  // namespace weir
