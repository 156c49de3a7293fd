// AccessLog: who came, from where, by which method, until when, and how much that was (access_log).
// One line when a client has logged in (`login`), one when it leaves (`disconnect`), one when it is
// turned away (`refused`). No secret, no query. Owner: main. Thread: see AccessSink; open()
// control.
#pragma once

#include <string>

#include "admin/audit/chained_log.h"
#include "proxy/session/login/access_record.h"

namespace weir {

class AccessLog final : public AccessSink {
  public:
    Status open(const std::string& path) { return log_.open(path); }
    [[nodiscard]] bool is_on() const override { return log_.is_on(); }
    void note(const AccessRecord& record) override;
    void drain() { log_.drain(); }

  private:
    ChainedLog log_{"access_log"};
};

}  // namespace weir
