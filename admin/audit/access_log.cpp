#include "admin/audit/access_log.h"

#include <spdlog/fmt/fmt.h>

#include "admin/audit/json_fields.h"

namespace weir {

namespace {

const char* event_name(AccessRecord::Event event) {
    switch (event) {
        case AccessRecord::Event::Login: return "login";
        case AccessRecord::Event::Disconnect: return "disconnect";
        default: return "refused";
    }
}

}  // namespace

void AccessLog::note(const AccessRecord& record) {
    JsonFields fields(event_name(record.event));
    fields.add_time("time", record.now_us);
    fields.add("client", fmt::format("{:#x}", record.client_id));
    fields.add_some("user", record.user);
    fields.add_some("database", record.database);
    fields.add("host", record.address);
    fields.add("port", uint64_t{record.port});
    if (record.peer_pid != 0) fields.add("peer_pid", int64_t{record.peer_pid});
    fields.add_some("application_name", record.application_name);
    fields.add_some("method", record.method);
    fields.add_some("tls", record.tls);
    fields.add_some("certificate", record.certificate);
    fields.add_some("replication", record.replication);
    fields.add_time("connected", record.connected_us);
    if (record.event != AccessRecord::Event::Login) {
        if (record.logged_in_us != 0) fields.add_time("logged_in", record.logged_in_us);
        if (record.event == AccessRecord::Event::Disconnect) {
            fields.add("seconds", (record.now_us - record.logged_in_us) / 1'000'000);
            fields.add("transactions", record.tally.transactions);
            fields.add("queries", record.tally.queries);
            fields.add("bytes_received", record.tally.bytes_received);
            fields.add("bytes_sent", record.tally.bytes_sent);
        }
        fields.add("reason", record.reason);
        fields.add_some("sqlstate", record.sqlstate);
    }
    log_.push(fields.take());
}

}  // namespace weir
