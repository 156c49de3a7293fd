// WorkerFolding: looks now and then how busy the threads of the workers are, as the kernel counts
// it, and folds or unfolds the workers as FoldRule says (fold_workers). Owner: Control. Thread:
// control.
#pragma once

#include <cstdint>
#include <optional>

#include "proxy/control/context.h"
#include "proxy/control/fold_rule.h"

namespace weir {

class WorkerFolding {
  public:
    explicit WorkerFolding(ControlContext& context) : ctx_(context) {}

    void on_tick(Instant now);

    // Since the threads began; see ThreadLoad.
    struct Used {
        int64_t running_us = 0, waiting_us = 0;
    };

  private:
    [[nodiscard]] ThreadLoad look(Duration past);
    [[nodiscard]] double idle_cores(Duration past);
    void fold(bool is_folded, const char* why);

    ControlContext& ctx_;
    FoldRule rule_;
    bool is_on_ = true;
    Instant looked_at_;  // never: `used_` says nothing yet
    Used used_;
    std::optional<int64_t> idle_ticks_;  // of the last look, if it wanted to know
};

}  // namespace weir
