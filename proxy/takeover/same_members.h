// What goes over as it is: members that a record of state.h and the object that it tells of have in
// common, of the same name and type. One list for both ways: collecting and adopting.
// Pure. Thread: any (values).
#pragma once

namespace weir {

// ServerConnection and HandedServer.
template <typename From, typename To>
void copy_server(const From& from, To& to) {
    to.reads = from.reads;
    to.is_reset_needed = from.is_reset_needed;
    to.is_reset_sent = from.is_reset_sent;
    to.is_cancel_sent = from.is_cancel_sent;
    to.is_copy_fail_sent = from.is_copy_fail_sent;
    to.is_error_forwarded = from.is_error_forwarded;
    to.is_own_query_failed = from.is_own_query_failed;
    to.is_stream_forwarded = from.is_stream_forwarded;
    to.is_stream_over = from.is_stream_over;
    to.has_said_why = from.has_said_why;
    to.is_hot_standby = from.is_hot_standby;
    to.is_known_writable = from.is_known_writable;
    to.may_forget = from.may_forget;
    to.may_set = from.may_set;
    to.has_changed_schema = from.has_changed_schema;
    to.unnamed_version = from.unnamed_version;
    to.unnamed_batch = from.unnamed_batch;
    to.backend_key = from.backend_key;
    to.replication = from.replication;
    to.host = from.host;
    to.port = from.port;
    to.id = from.id;
    to.connected_at = from.connected_at;
    to.requested_at = from.requested_at;
    to.idle_since = from.idle_since;
    to.clean_by = from.clean_by;
    to.lifetime = from.lifetime;
}

// ClientSession and HandedSession, logged in or not.
template <typename From, typename To>
void copy_login(const From& from, To& to) {
    to.fd = from.fd;
    to.reads = from.reads;
    to.is_admin = from.is_admin;
    to.is_unix = from.is_unix;
    to.has_long_key = from.has_long_key;
    to.replication = from.replication;
    to.database = from.database;
    to.user = from.user;
    to.id = from.id;
    to.connected_at = from.connected_at;
    to.logged_in_at = from.logged_in_at;
    to.requested_at = from.requested_at;
}

// The same, of those who have logged in.
template <typename From, typename To>
void copy_live(const From& from, To& to) {
    to.pool_mode = from.pool_mode;
    to.wanted = from.wanted;
    to.is_write = from.is_write;
    to.is_depth_blocked = from.is_depth_blocked;
    to.resume_at_pending = from.resume_at_pending;
    to.is_discarding_body = from.is_discarding_body;
    to.is_discarding_to_sync = from.is_discarding_to_sync;
    to.is_read_paused = from.is_read_paused;
    to.unnamed_version = from.unnamed_version;
    to.required_lsn = from.required_lsn;
    to.last_write_at = from.last_write_at;
    to.transaction_from = from.transaction_from;
    to.query_from = from.query_from;
    to.quiet_since = from.quiet_since;
}

}  // namespace weir
