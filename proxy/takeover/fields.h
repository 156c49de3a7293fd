// How the records of state.h are written down (archive.h). Tags are for ever: a new field gets the
// next one of its record, a field that goes leaves its tag unused.
// Enumerations go by number: what is checked here may grow at its end only, unless
// kTakeoverFormat becomes another. Pure. Thread: any (values).
#pragma once

#include "proxy/takeover/archive.h"
#include "proxy/takeover/state.h"

namespace weir {

static_assert(static_cast<int>(Request::CopyEnd) == 9 && static_cast<int>(Request::Sync) == 6);
static_assert(static_cast<int>(Origin::Faked) == 2 && static_cast<int>(CopyState::Both) == 3);
static_assert(static_cast<int>(PoolMode::Statement) == 2);
static_assert(static_cast<int>(Replication::Physical) == 2);
static_assert(static_cast<int>(TargetSessionAttrs::PreferStandby) == 5);

template <typename A>
void fields(A& a, NamedValue& it) {
    a(1, it.name);
    a(2, it.value);
}

template <typename A>
void fields(A&, HandedListener&) {}

template <typename A>
void fields(A& a, HandedDatabase& it) {
    a(1, it.name);
    a(2, it.is_paused);
    a(3, it.is_disabled);
}

template <typename A>
void fields(A& a, HandedProcess& it) {
    a(1, it.last_id);
    a(2, it.mock_secret);
    a(3, it.is_paused);
    a(4, it.databases);
    a(5, it.pid);
    a(6, it.workers);
    a(7, it.notify_socket);
    a(8, it.watchdog);
    a(9, it.hears_visitors);
}

template <typename A>
void fields(A& a, HandedLink& it) {
    a(1, it.hears_visitors);
}

template <typename A>
void fields(A& a, HandedWelcome& it) {
    a(1, it.parameters);
}

template <typename A>
void fields(A& a, HandedKeys& it) {
    a(1, it.client_key);
    a(2, it.server_key);
    a(3, it.salt);
    a(4, it.iterations);
}

template <typename A>
void fields(A& a, HandedGroup& it) {
    a(1, it.database);
    a(2, it.user);
    a(3, it.entry);
    a(4, it.secret);
    a(5, it.scram_keys);
    a(6, it.derived_keys);
    a(7, it.welcomes);
}

template <typename A>
void fields(A& a, HandedStatement& it) {
    a(1, it.text_and_types);
    a(2, it.settings);
}

template <typename A>
void fields(A& a, FrameParser::Position& it) {
    a(1, it.tag);
    a(2, it.body_left);
}

template <typename A>
void fields(A& a, PendingReply& it) {
    a.choice(1, it.request, Request::CopyEnd);
    a.choice(2, it.origin, Origin::Faked);
    a(3, it.statement);
}

template <typename A>
void fields(A& a, CancelKey& it) {
    a(1, it.process_id);
    a(2, it.secret);
}

template <typename A>
void fields(A& a, ProtocolTracker::State& it) {
    a(1, it.pending);
    a(2, it.ready_owed);
    a(3, it.since_sync);
    a(4, it.batch);
    a.choice(5, it.status, TransactionStatus::InTransaction);
    a.choice(6, it.copy, CopyState::Both);
    a(7, it.is_skipping);
    a(8, it.is_unsynced);
}

template <typename A>
void fields(A& a, StatementId& it) {
    a(1, it.words[0]);
    a(2, it.words[1]);
}

template <typename A>
void fields(A& a, ServerStatements::Saved& it) {
    a(1, it.id);
    a(2, it.batch);
    a(3, it.state);
    a(4, it.is_parse_pending);
    a(5, it.is_discarded);
    a(6, it.is_outdated);
}

template <typename A>
void fields(A& a, ServerStatements::State& it) {
    a(1, it.entries);
    a(2, it.order);
}

template <typename A>
void fields(A& a, HandedServer& it) {
    a(1, it.worker);
    a(2, it.group);
    a(3, it.backend);
    a.choice(4, it.ledger, HandedLedger::Idle);
    a.choice(5, it.phase, HandedServerPhase::Closing);
    a(6, it.is_old);
    a(7, it.reads);
    a(8, it.is_reset_needed);
    a(9, it.is_reset_sent);
    a(10, it.is_cancel_sent);
    a(11, it.is_copy_fail_sent);
    a(12, it.is_error_forwarded);
    a(13, it.is_own_query_failed);
    a(14, it.is_stream_forwarded);
    a(15, it.is_stream_over);
    a(16, it.has_said_why);
    a(17, it.is_hot_standby);
    a(18, it.is_known_writable);
    a(19, it.is_leaving);
    a(20, it.may_forget);
    a(21, it.parser);
    a(22, it.tracker);
    a(23, it.held);
    a(24, it.outbox);
    a(25, it.statements);
    a(26, it.unnamed_of);
    a(27, it.unnamed_version);
    a(28, it.unnamed_batch);
    a(29, it.parameters);
    a(30, it.welcome);
    a(31, it.backend_key);
    a(32, it.address);
    a(33, it.local_address);
    a(34, it.host);
    a(35, it.port);
    a(36, it.id);
    a(37, it.connected_at);
    a(38, it.requested_at);
    a(39, it.idle_since);
    a(40, it.clean_by);
    a(41, it.lifetime);
    a.choice(42, it.replication, Replication::Physical);
    a(43, it.dedicated_to);
    a(44, it.has_changed_schema);
    a(45, it.may_set);
}

template <typename A>
void fields(A& a, HandedName& it) {
    a(1, it.name);
    a(2, it.statement);
}

template <typename A>
void fields(A& a, HandedChange& it) {
    a(1, it.name);
    a(2, it.batch);
    a(3, it.before);
    a(4, it.is_parse);
}

template <typename A>
void fields(A& a, LoginState& it) {
    a(1, it.encryption_requests);
    a(2, it.refusal_sqlstate);
    a(3, it.refusal);
    a(4, it.answer_at);
    a(5, it.wanted_attrs);
    a(6, it.wanted);
    a(7, it.client_key);
    a(8, it.server_key);
    a(9, it.secret);
    a(10, it.replication_options);
    a(11, it.is_unasked);
}

template <typename A>
void fields(A& a, HandedSession& it) {
    a(1, it.worker);
    a.choice(2, it.phase, HandedPhase::Named);
    a(3, it.reads);
    a(4, it.is_depth_blocked);
    a(5, it.is_discarding_body);
    a(6, it.is_discarding_to_sync);
    a(7, it.is_admin);
    a(8, it.is_read_paused);
    a(9, it.is_unix);
    a(10, it.is_write);
    a(11, it.holds_client_units);
    a(12, it.is_waiting);
    a.choice(13, it.pool_mode, PoolMode::Statement);
    a.choice(14, it.wanted, TargetSessionAttrs::PreferStandby);
    a(15, it.reason);
    a(16, it.cancel_key);
    a(17, it.resume_at_pending);
    a(18, it.whole_bytes);
    a(19, it.unnamed_version);
    a(20, it.parser);
    a(21, it.held);
    a(22, it.outbox);
    a(23, it.server);
    a(24, it.group);
    a(25, it.login);
    a(26, it.unnamed);
    a(27, it.named);
    a(28, it.unconfirmed);
    a(29, it.parameters);
    a(30, it.welcome);
    a(31, it.database);
    a(32, it.user);
    a(33, it.peer);
    a(34, it.id);
    a(35, it.required_lsn);
    a(36, it.connected_at);
    a(37, it.last_write_at);
    a(38, it.requested_at);
    a(39, it.transaction_from);
    a(40, it.query_from);
    a(41, it.quiet_since);
    a(42, it.has_long_key);
    a.choice(43, it.replication, Replication::Physical);
    a(44, it.peer_id);
    a(45, it.logged_in_at);
    a(46, it.auth_method);
    a(47, it.transactions);
    a(48, it.queries);
    a(49, it.bytes_received);
    a(50, it.bytes_sent);
}

template <typename A>
void fields(A& a, HandedCancel& it) {
    a(1, it.server);
    a(2, it.requester);
    a(3, it.is_sent);
    a(4, it.request);
}

}  // namespace weir
