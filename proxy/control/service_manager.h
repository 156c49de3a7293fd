// ServiceManager: what systemd is told of us, in the datagrams of sd_notify(3), and the watchdog of
// sd_watchdog_enabled(3). Nothing happens when nobody has asked (no NOTIFY_SOCKET). A datagram that
// cannot be sent is lost. Owner: ControlContext. Thread: control.
#pragma once

#include <string>
#include <string_view>

#include "protocol/base/clock.h"

namespace weir {

class ServiceManager {
  public:
    // From the environment.
    ServiceManager();
    ~ServiceManager();
    ServiceManager(const ServiceManager&) = delete;
    ServiceManager& operator=(const ServiceManager&) = delete;

    // Clients can connect (again). Names our process, which is another than the one that was
    // started when we are in the background.
    void ready();
    // The configuration is being read; ready() ends it.
    void reloading();
    void stopping();
    // Somebody listens.
    [[nodiscard]] bool is_told() const { return fd_ >= 0; }
    // One line about how we are.
    void status(std::string_view text);
    // The watchdog wants to hear of us: true twice in the time after which it would end us. What
    // is_ping_due() asks for, ping() tells, when all threads are alive.
    [[nodiscard]] bool is_ping_due(Instant now);
    void ping();

    // ---- hand-over to or from another process ----

    // Where the service manager listens; empty when nobody is told.
    [[nodiscard]] const std::string& socket() const { return path_; }
    [[nodiscard]] Duration watchdog() const { return watchdog_; }
    // That of the process that we take over from is ours from now on, if we have none.
    void take_over(const std::string& socket, Duration watchdog);
    // Another process is the service now, and tells how it is.
    void succeeded_by(int pid);

  private:
    void connect_to(const std::string& path);
    void tell(const std::string& text);

    int fd_ = -1;  // connected; -1: nobody is told
    std::string path_;
    Duration watchdog_ = Duration(0);
    Instant asked_at_;
};

}  // namespace weir
