// RetryBudget: how many transactions may look for another backend after one that did not let them
// in: a fifth of all, over time (Finagle's and Envoy's budgets are of this kind), so that an outage
// is not answered by a multiple of its traffic. A few are always free.
// Pure. Owner: a worker. Thread: the owner's.
#pragma once

#include <algorithm>

namespace weir {

class RetryBudget {
  public:
    static constexpr double kPerRequest = 0.2;
    static constexpr double kMost = 100;

    void on_request() { tokens_ = std::min(kMost, tokens_ + kPerRequest); }
    // True = one retry is paid for.
    [[nodiscard]] bool try_take() {
        if (tokens_ < 1) return false;
        tokens_ -= 1;
        return true;
    }

  private:
    double tokens_ = 10;
};

}  // namespace weir
