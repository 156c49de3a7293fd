// AuditTrail: who changed what (audit_log): every command of the console that is for
// administrators, with its result; signals, reloads, takeovers, start and end. The configuration is
// told by its digest (Config::digest), which differs when it does. No secret: of SET the value is
// told only where the option is a number, a time, a switch or a word. Owner: main. Thread: control.
#pragma once

#include <string>

#include "admin/audit/chained_log.h"
#include "conf/config.h"
#include "protocol/base/result.h"
#include "proxy/stats/event_log.h"

namespace weir {

class AuditTrail {
  public:
    Status open(const std::string& path) { return log_.open(path); }
    [[nodiscard]] bool is_on() const { return log_.is_on(); }

    struct Order {
        std::string command;  // without secrets
        std::string user, database, address;
        std::string digest_before, digest_after;
        const Error* error = nullptr;  // null: done
    };
    void note(const Order& order);
    // Only of kinds that are somebody's doing.
    void note(const ProcessEvent& event, const std::string& digest);
    void drain() { log_.drain(); }

  private:
    ChainedLog log_{"audit_log"};
    std::string last_digest_;
};

}  // namespace weir
