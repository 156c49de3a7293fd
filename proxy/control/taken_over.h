// TakenOver: the new process's side of a take-over (weir -R), as far as it concerns its own parts:
// adopting what is handed over before the workers run, and setting it going. What the other process
// sends later is for Predecessors. Owner: Control. Thread: control.
#pragma once

#include <memory>
#include <string>

#include "proxy/control/context.h"
#include "proxy/control/database_orders.h"
#include "proxy/control/predecessors.h"
#include "proxy/takeover/adopt.h"
#include "proxy/takeover/taker.h"

namespace weir {

class TakenOver {
  public:
    TakenOver(ControlContext& context, DatabaseOrders& orders, Predecessors& predecessors)
        : ctx_(context), orders_(orders), predecessors_(predecessors) {}
    TakenOver(const TakenOver&) = delete;
    TakenOver& operator=(const TakenOver&) = delete;

    // Workers exist and do not run yet. `pidfile` will be ours. When this succeeds, everything is
    // ours.
    Status take(std::unique_ptr<Taker> taker, const std::string& pidfile);
    // The workers are about to run: what was adopted goes on, before anything else happens. Nothing
    // happens when nothing was.
    void go_on();

  private:
    ControlContext& ctx_;
    DatabaseOrders& orders_;
    Predecessors& predecessors_;
    std::unique_ptr<Taker> taker_;
    Adoption adoption_;
    bool hears_visitors_ = false;
};

}  // namespace weir
