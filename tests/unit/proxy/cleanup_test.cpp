// Goal: whatever a vanished client leaves open on a server, the next step leads to a clean
// connection or closes it; nothing unfinished is ever committed.
// Method: a table of states made through the tracker itself, and the whole way to Done for some.
#include "proxy/server/cleanup.h"

#include <doctest/doctest.h>

#include <ostream>

namespace weir::cleanup_test {

std::ostream& operator<<(std::ostream& out, CleanupStep step) {
    static constexpr const char* kNames[] = {"Close", "SendCopyFail", "SendSync", "Cancel",
                                             "Wait",  "Rollback",     "Reset",    "Done"};
    return out << kNames[static_cast<size_t>(step)];
}

namespace {

class NoDropped final : public DroppedRequests {
  public:
    void on_dropped(const PendingReply&) override {}
};

struct Fixture {
    void send(Request request, Origin origin = Origin::Client) {
        server.tracker.sent(request, origin);
    }
    void answer(BackendTag tag, char status = 0) {
        CHECK(server.tracker.on_backend(tag, static_cast<uint8_t>(status), dropped) !=
              ProtocolTracker::Verdict::Doubt);
    }
    CleanupStep next(bool may_cancel = false) {
        return next_cleanup_step(server, false, may_cancel);
    }

    ServerConnection server;
    NoDropped dropped;
};

TEST_CASE_FIXTURE(Fixture, "a connection with nothing open is done") {
    CHECK(next() == CleanupStep::Done);
    CHECK(next(true) == CleanupStep::Done);
}

TEST_CASE_FIXTURE(Fixture, "half a message of either side cannot be made clean") {
    CHECK(next_cleanup_step(server, true, false) == CleanupStep::Close);
    server.outbox.append(as_bytes("x"));
    CHECK(next() == CleanupStep::Close);
    server.outbox.clear();
    server.held.append(as_bytes("x"));
    CHECK(next() == CleanupStep::Close);
    server.held.clear();
    server.parser.consume(server.parser.peek(as_bytes(std::string_view("D\0\0\0\x20", 5))));
    CHECK(next() == CleanupStep::Close);
}

TEST_CASE_FIXTURE(Fixture, "a query of our own is never cancelled") {
    send(Request::Query, Origin::Proxy);
    CHECK(next(true) == CleanupStep::Wait);
}

TEST_CASE_FIXTURE(Fixture, "a running statement is awaited, then cancelled, once") {
    send(Request::Query);
    CHECK(next(false) == CleanupStep::Wait);
    CHECK(next(true) == CleanupStep::Cancel);
    server.is_cancel_sent = true;
    CHECK(next(true) == CleanupStep::Wait);
    answer(BackendTag::ErrorResponse);
    answer(BackendTag::ReadyForQuery, 'I');
    CHECK(next(true) == CleanupStep::Done);
}

TEST_CASE_FIXTURE(Fixture, "an open transaction is rolled back") {
    send(Request::Query);
    answer(BackendTag::CommandComplete);
    answer(BackendTag::ReadyForQuery, 'T');
    CHECK(next() == CleanupStep::Rollback);
    send(Request::Query, Origin::Proxy);
    CHECK(next() == CleanupStep::Wait);
    answer(BackendTag::CommandComplete);
    answer(BackendTag::ReadyForQuery, 'I');
    CHECK(next() == CleanupStep::Done);
}

TEST_CASE_FIXTURE(Fixture, "a failed transaction is rolled back") {
    send(Request::Query);
    answer(BackendTag::ErrorResponse);
    answer(BackendTag::ReadyForQuery, 'E');
    CHECK(next() == CleanupStep::Rollback);
}

TEST_CASE_FIXTURE(Fixture, "a batch without its Sync is rolled back, not committed") {
    send(Request::Parse);
    CHECK(next() == CleanupStep::Rollback);
    send(Request::Bind);
    send(Request::Execute);
    answer(BackendTag::ParseComplete);
    answer(BackendTag::BindComplete);
    answer(BackendTag::CommandComplete);
    CHECK(server.tracker.pending() == 0);
    CHECK(next() == CleanupStep::Rollback);
}

TEST_CASE_FIXTURE(Fixture, "a batch that has failed needs its Sync") {
    send(Request::Parse);
    answer(BackendTag::ErrorResponse);
    CHECK(next() == CleanupStep::SendSync);
    send(Request::Sync, Origin::Proxy);
    CHECK(next() == CleanupStep::Wait);
    answer(BackendTag::ReadyForQuery, 'I');
    CHECK(next() == CleanupStep::Done);
}

TEST_CASE_FIXTURE(Fixture, "a COPY that waits for data is failed, once") {
    send(Request::Query);
    answer(BackendTag::CopyInResponse);
    CHECK(next() == CleanupStep::SendCopyFail);
    send(Request::CopyEnd, Origin::Proxy);
    server.is_copy_fail_sent = true;
    CHECK(next() == CleanupStep::Wait);
    answer(BackendTag::ErrorResponse);
    answer(BackendTag::ReadyForQuery, 'I');
    CHECK(next() == CleanupStep::Done);
}

TEST_CASE_FIXTURE(Fixture, "an extended COPY that waits for data is failed and synced") {
    send(Request::Bind);
    send(Request::Execute);
    send(Request::Sync);  // the server ignores it while it reads data
    answer(BackendTag::BindComplete);
    answer(BackendTag::CopyInResponse);
    CHECK(next() == CleanupStep::SendCopyFail);
    send(Request::CopyEnd, Origin::Proxy);
    server.is_copy_fail_sent = true;
    answer(BackendTag::ErrorResponse);
    CHECK(next() == CleanupStep::SendSync);
    send(Request::Sync, Origin::Proxy);
    answer(BackendTag::ReadyForQuery, 'I');
    CHECK(next() == CleanupStep::Done);
}

TEST_CASE_FIXTURE(Fixture, "a COPY to the client is awaited or cancelled") {
    send(Request::Query);
    answer(BackendTag::CopyOutResponse);
    CHECK(next(false) == CleanupStep::Wait);
    CHECK(next(true) == CleanupStep::Cancel);
}

TEST_CASE_FIXTURE(Fixture, "the reset query comes last, once") {
    server.is_reset_needed = true;
    send(Request::Query);
    answer(BackendTag::CommandComplete);
    answer(BackendTag::ReadyForQuery, 'T');
    CHECK(next() == CleanupStep::Rollback);
    send(Request::Query, Origin::Proxy);
    answer(BackendTag::CommandComplete);
    answer(BackendTag::ReadyForQuery, 'I');
    CHECK(next() == CleanupStep::Reset);
    server.is_reset_sent = true;
    CHECK(next() == CleanupStep::Done);
}

}  // namespace
}  // namespace weir::cleanup_test
