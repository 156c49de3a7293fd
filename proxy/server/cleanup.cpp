#include "proxy/server/cleanup.h"

namespace weir {

CleanupStep next_cleanup_step(const ServerConnection& server, bool is_client_mid_message,
                              bool may_cancel) {
    const ProtocolTracker& tracker = server.tracker;
    if (is_client_mid_message || !server.outbox.empty()) return CleanupStep::Close;
    const bool reads_copy_data =
        tracker.copy_state() == CopyState::In || tracker.copy_state() == CopyState::Both;
    if (reads_copy_data && !server.is_copy_fail_sent) return CleanupStep::SendCopyFail;
    if (tracker.ready_owed() > 0) {
        // What we have sent ourselves (ROLLBACK, a reset query) must not be cut short.
        const bool is_clients = tracker.head().origin != Origin::Proxy;
        const bool cancels = may_cancel && is_clients && !server.is_cancel_sent;
        return cancels ? CleanupStep::Cancel : CleanupStep::Wait;
    }
    if (tracker.is_skipping_to_sync()) return CleanupStep::SendSync;
    // An open batch: a Sync would commit what the client never finished.
    if (tracker.is_unsynced() || tracker.pending() > 0) return CleanupStep::Rollback;
    if (tracker.status() != TransactionStatus::Idle) return CleanupStep::Rollback;
    if (server.is_reset_needed && !server.is_reset_sent) return CleanupStep::Reset;
    return server.is_clean() ? CleanupStep::Done : CleanupStep::Close;
}

}  // namespace weir
