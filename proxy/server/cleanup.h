// What a server connection without a client needs next before anybody else may have it. Pure.
// A connection in doubt is closed: half a message of a client that is gone cannot be completed.
#pragma once

#include "proxy/server/server_connection.h"

namespace weir {

enum class CleanupStep : uint8_t {
    Close,         // cannot be made clean
    SendCopyFail,  // it waits for COPY data that will not come
    SendSync,      // an extended batch has failed: the server skips all but a Sync
    Cancel,        // a statement of the vanished client is running
    Wait,          // an answer is on its way
    Rollback,      // a transaction, or an extended batch, of the vanished client is open
    Reset,         // server_reset_query is due
    Done,
};

// `may_cancel`: the answer has been given some time to come by itself.
CleanupStep next_cleanup_step(const ServerConnection& server, bool is_client_mid_message,
                              bool may_cancel);

}  // namespace weir
