// LifeCycle: signals, and how the process ends.
//
//   Up -> WaitForClients | WaitForServers -> Now (stops the loop)
//
// Owner: Control. Thread: control.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "proxy/control/context.h"
#include "proxy/control/database_orders.h"
#include "proxy/control/reloading.h"
#include "proxy/inspector.h"

namespace weir {

class LifeCycle {
  public:
    // Takes over the signals from here on.
    LifeCycle(ControlContext& context, Reloading& reloading, DatabaseOrders& orders);

    // See Inspector.
    Status shutdown(ShutdownMode mode);
    [[nodiscard]] bool is_shutting_down() const { return shutdown_.has_value(); }
    // Ends the process when what a shutdown waits for has come.
    void on_tick();
    // The loop has ended: further signals are ignored, so that a clean exit stays one.
    void ignore_signals();

  private:
    void on_signal(int number);
    [[nodiscard]] bool can_stop();

    ControlContext& ctx_;
    Reloading& reloading_;
    DatabaseOrders& orders_;
    std::vector<std::unique_ptr<SignalHandle>> signals_;
    std::optional<ShutdownMode> shutdown_;
};

}  // namespace weir
