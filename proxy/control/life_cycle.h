// LifeCycle: signals, and how the process ends.
//
//   Up -> WaitForClients | WaitForServers -> Now (stops the loop)
//
// In both waiting states the TCP sockets close at once; the Unix socket stays for the console. With
// shutdown_drain, WaitForClients sends its clients away.
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
    void on_tick(Instant now);
    // The loop has ended: further signals are ignored, so that a clean exit stays one.
    void ignore_signals();

  private:
    void on_signal(int number);
    void on_pause_signal();
    void on_resume_signal();
    void stop_listening_to_tcp(Instant now);
    void send_clients_away(Instant now);
    // To the service manager: every stats_period, while shutting down every second.
    void tell_status(Instant now);
    [[nodiscard]] bool can_stop(Instant now);

    // Connections that were accepted last have this long to log in before they no longer keep the
    // process.
    static constexpr Duration kLoginMax = std::chrono::seconds(5);

    ControlContext& ctx_;
    Reloading& reloading_;
    DatabaseOrders& orders_;
    std::vector<std::unique_ptr<SignalHandle>> signals_;
    std::optional<ShutdownMode> shutdown_;
    Instant shutting_down_since_;
    Instant told_at_;  // the service manager, how we are
};

}  // namespace weir
