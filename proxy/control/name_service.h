// NameService: host names on the control thread. Asks the Resolver for what workers need, keeps the
// HostTable, and lets go of connections to addresses that a name no longer has. With
// dns_zone_check_period, polls the serial numbers of the zones of all names in use and asks anew
// for the names of one that has changed. Owner: Control. Thread: control.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "proxy/control/context.h"
#include "proxy/runtime/resolver.h"

namespace weir {

class NameService {
  public:
    explicit NameService(ControlContext& context) : ctx_(context), resolver_(context.loop) {}
    ~NameService() { is_ending_ = true; }
    NameService(const NameService&) = delete;
    NameService& operator=(const NameService&) = delete;

    // Before the workers run. Error: see Resolver::open.
    Status open();
    // A worker needs its addresses; all of them are told when they are known.
    void resolve(const std::string& host);
    void on_tick(Instant now);

    // ---- for SHOW ----

    // Only while they are polled.
    [[nodiscard]] std::vector<HostTable::Zone> zones() const;
    // Questions that are not answered yet.
    [[nodiscard]] size_t questions() const { return questions_; }

  private:
    void on_resolved(const std::string& host, std::vector<std::string> ips,
                     const std::string& error);
    void check_zones();
    void on_serial(const std::string& zone, uint32_t serial);
    [[nodiscard]] std::map<std::string, std::vector<std::string>> hosts_by_zone() const;

    ControlContext& ctx_;
    bool is_ending_ = false;
    size_t questions_ = 0;
    Instant checked_at_;
    static constexpr size_t kFailingMax = 10'000;
    std::set<std::string> failing_;            // whose last look-up failed, and was told of
    std::map<std::string, uint32_t> serials_;  // by zone
    Resolver resolver_;                        // last: its end answers what is still asked
};

// What follows the first label of a name; empty when it has only one.
std::string zone_of(const std::string& host);

}  // namespace weir
