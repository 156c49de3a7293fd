// Servers: a connection without its client is brought back to where the next one may have it.
#include "protocol/message/writer.h"
#include "proxy/server/cleanup.h"
#include "proxy/session/cancel/cancels.h"
#include "proxy/session/leasing.h"
#include "proxy/session/servers.h"

namespace weir {

void Servers::clean(ServerConnection& server) {
    if (server.is_own_query_failed && server.tracker.pending() == 0) {
        if (!server.is_new) return close(server, "reset query failed");
        return close(server, "connect_query failed", Error("08006", "connect_query failed"));
    }
    const Instant grace = server.requested_at + kCancelGrace;
    std::string text;
    switch (next_cleanup_step(server, false, ctx_.now >= grace)) {
        case CleanupStep::Close:
            return close(server, "client disconnect while server was not ready");
        case CleanupStep::SendCopyFail:
            server.is_copy_fail_sent = true;
            write_copy_fail(text, "client is gone");
            server.tracker.sent(Request::CopyEnd, Origin::Proxy);
            if (!send(server, text)) return;
            if (server.client == nullptr && server.fd >= 0) clean(server);
            return;
        case CleanupStep::SendSync:
            write_empty(text, FrontendTag::Sync);
            server.tracker.sent(Request::Sync, Origin::Proxy);
            if (send(server, text)) ctx_.deadlines.arm(server, grace);
            return;
        case CleanupStep::Cancel:
            server.is_cancel_sent = true;
            ctx_.cancels->start(server, {});
            ctx_.deadlines.arm(server, server.clean_by);
            return;
        case CleanupStep::Wait:
            ctx_.deadlines.arm(server, ctx_.now < grace ? grace : server.clean_by);
            return;
        case CleanupStep::Rollback:
            start_query(server, "ROLLBACK");
            if (server.fd >= 0) ctx_.deadlines.arm(server, grace);
            return;
        case CleanupStep::Reset:
            server.is_reset_sent = true;
            start_query(server, ctx_.config->global.server_reset_query);
            if (server.fd >= 0) ctx_.deadlines.arm(server, server.clean_by);
            return;
        case CleanupStep::Done:
            server.is_cancel_sent = server.is_copy_fail_sent = false;
            if (server.is_reset_needed) {
                server.statements.clear();
                server.unnamed_of = {};
            }
            server.is_reset_needed = server.is_reset_sent = false;
            const bool is_new = server.is_new;
            server.is_new = false;
            return ctx_.leasing->give_back(server, is_new);
    }
}

void Servers::start_query(ServerConnection& server, std::string_view sql) {
    std::string query;
    write_query(query, sql);
    server.unnamed_of = {};  // a simple query drops it
    server.tracker.sent(Request::Query, Origin::Proxy);
    send(server, query);
}

void Servers::on_cancel_done(ServerConnection& server) {
    if (server.phase == ServerPhase::BeingCancelled && server.cancels_in_flight == 0) {
        // It may have said farewell (57P01) while it was withheld.
        if (!server.is_clean())
            return close(server, "server sent something unexpected while withheld");
        ctx_.leasing->give_back(server, false);
    }
}

}  // namespace weir
