// TakenOver: the new process's side of a take-over (weir -R), as far as it concerns its own parts:
// adopting what is handed over before the workers run, setting it going, and adopting the few
// sessions that follow later, for as long as the other process lives.
// Owner: Control. Thread: control, but for wait_for_late().
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "proxy/control/context.h"
#include "proxy/control/database_orders.h"
#include "proxy/takeover/adopt.h"
#include "proxy/takeover/taker.h"

namespace weir {

class TakenOver {
  public:
    TakenOver(ControlContext& context, DatabaseOrders& orders) : ctx_(context), orders_(orders) {}
    ~TakenOver() { stop(); }
    TakenOver(const TakenOver&) = delete;
    TakenOver& operator=(const TakenOver&) = delete;

    // Workers exist and do not run yet. `pidfile` will be ours. When this succeeds, everything is
    // ours.
    Status take(std::unique_ptr<Taker> taker, const std::string& pidfile);
    // The workers are about to run: what was adopted goes on, before anything else happens. Nothing
    // happens when nothing was.
    void go_on();
    void stop();

  private:
    void wait_for_late();

    ControlContext& ctx_;
    DatabaseOrders& orders_;
    std::unique_ptr<Taker> taker_;
    Adoption adoption_;
    std::thread late_;
};

}  // namespace weir
