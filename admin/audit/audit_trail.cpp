#include "admin/audit/audit_trail.h"

#include "admin/audit/json_fields.h"
#include "conf/log_writer.h"

namespace weir {

namespace {

bool is_somebodys_doing(ProcessEvent::Kind kind) {
    switch (kind) {
        case ProcessEvent::Kind::Process:
        case ProcessEvent::Kind::Signal:
        case ProcessEvent::Kind::Reload:
        case ProcessEvent::Kind::Takeover: return true;
        default: return false;
    }
}

}  // namespace

void AuditTrail::note(const Order& order) {
    if (!is_on()) return;
    JsonFields fields("command");
    fields.add_time("time", log_time_ms() * 1000);
    fields.add("command", order.command);
    fields.add("user", order.user);
    fields.add("database", order.database);
    fields.add("address", order.address);
    fields.add("result", order.error == nullptr ? "done" : "failed");
    if (order.error != nullptr) {
        fields.add("sqlstate", order.error->sqlstate);
        fields.add("message", order.error->message);
    }
    fields.add("config_before", order.digest_before);
    fields.add("config_after", order.digest_after);
    log_.push(fields.take());
}

void AuditTrail::note(const ProcessEvent& event, const std::string& digest) {
    if (!is_on() || !is_somebodys_doing(event.kind)) return;
    JsonFields fields(to_string(event.kind));
    fields.add_time("time", log_time_ms() * 1000);
    fields.add("what", event.event);
    fields.add_some("subject", event.subject);
    fields.add_some("detail", event.detail);
    if (event.kind == ProcessEvent::Kind::Reload)
        fields.add("config_before", last_digest_.empty() ? digest : last_digest_);
    fields.add("config", digest);
    last_digest_ = digest;
    log_.push(fields.take());
}

}  // namespace weir
