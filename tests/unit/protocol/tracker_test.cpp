// Goal: ProtocolTracker knows at every moment what is owed to whom and when a connection is free.
// Method: a table of conversations in a small notation, from PostgreSQL's documentation of the
// message flow. (tracker_differential_test.cpp does the random ones.)
//
// A step is a direction and a letter, and what follows from it:
//   >x      a request goes out, from the client. x: P B D (describe statement) d (portal) E C S Q F
//           c (CopyDone or CopyFail);  >>x: slipped in by the proxy;  ~x: faked
//   <x      an answer, x = its type on the wire; Z takes the status: <ZI;  expected: for the client
//   <<x     the same, expected: for the proxy;   <!x: expected: doubt
//   -x      a request of which we expect that the server skips it (sent() says false)
//   ^       a faked answer is due, and taken;   ^0: none is
//   xN      (drop) N requests have been given up since the last drop
//   =w      w of: free, busy, skip, unsynced, in, out, both, none, rN (N ReadyForQuery owed),
//           pN (N answers pending)
#include "protocol/message/tracker.h"

#include <doctest/doctest.h>

#include <sstream>
#include <string>

#include "tests/unit/protocol/tracker_model.h"

namespace weir::tracker_test {
namespace {

using Verdict = ProtocolTracker::Verdict;

Request request_of(char c) {
    switch (c) {
        case 'P': return Request::Parse;
        case 'B': return Request::Bind;
        case 'D': return Request::DescribeStatement;
        case 'd': return Request::DescribePortal;
        case 'E': return Request::Execute;
        case 'C': return Request::Close;
        case 'S': return Request::Sync;
        case 'Q': return Request::Query;
        case 'F': return Request::FunctionCall;
        case 'c': return Request::CopyEnd;
        default: FAIL("no such request: " << c); return Request::Query;
    }
}

// Carries out one conversation; the first step that goes otherwise is named.
class Conversation {
  public:
    // Empty, or what went wrong. `moves`: another process goes on after each step.
    std::string run(const std::string& text, bool moves = false) {
        std::istringstream in(text);
        std::string step;
        while (in >> step) {
            if (!take(step)) return "at " + step + " in: " + text;
            if (moves && !move()) return "cannot go on after " + step + " in: " + text;
        }
        return {};
    }

  private:
    bool take(const std::string& step) {
        const std::string rest = step.substr(1);
        switch (step[0]) {
            case '>':
                return rest[0] == '>' ? tracker_.sent(request_of(rest[1]), Origin::Proxy, 7)
                                      : tracker_.sent(request_of(rest[0]), Origin::Client);
            case '~': return tracker_.sent(request_of(rest[0]), Origin::Faked);
            case '-': return !tracker_.sent(request_of(rest[0]), Origin::Client);
            case '<': return answer(rest);
            case '^': {
                PendingReply due;
                const bool is_due = tracker_.faked_is_due();
                const bool is_taken = tracker_.take_faked(due);
                return is_due == is_taken && is_taken == (rest != "0");
            }
            case 'x': {
                const size_t count = dropped_.entries.size();
                dropped_.entries.clear();
                return count == std::stoul(rest);
            }
            case '=': return is(rest);
            default: FAIL("no such step: " << step); return false;
        }
    }
    bool move() {
        const ProtocolTracker::State state = tracker_.save();
        tracker_ = ProtocolTracker();
        return tracker_.restore(state);
    }
    bool answer(std::string text) {
        Verdict expected = Verdict::Forward;
        if (text[0] == '<') expected = Verdict::Swallow;
        if (text[0] == '!') expected = Verdict::Doubt;
        if (expected != Verdict::Forward) text.erase(0, 1);
        const auto status = static_cast<uint8_t>(text.size() > 1 ? text[1] : 0);
        return tracker_.on_backend(static_cast<BackendTag>(text[0]), status, dropped_) == expected;
    }
    bool is(const std::string& word) {
        const CopyState copy = tracker_.copy_state();
        if (word == "free") return tracker_.is_releasable();
        if (word == "busy") return !tracker_.is_releasable();
        if (word == "skip") return tracker_.is_skipping_to_sync();
        if (word == "unsynced") return tracker_.is_unsynced();
        if (word == "synced") return !tracker_.is_unsynced();
        if (word == "in") return copy == CopyState::In;
        if (word == "out") return copy == CopyState::Out;
        if (word == "both") return copy == CopyState::Both;
        if (word == "none") return copy == CopyState::None;
        const auto number = static_cast<uint32_t>(std::stoul(word.substr(1)));
        return (word[0] == 'r' ? tracker_.ready_owed() : tracker_.pending()) == number;
    }

    ProtocolTracker tracker_;
    DroppedLog dropped_;
};

void check_all(std::initializer_list<const char*> conversations) {
    for (const char* text : conversations) {
        CHECK(Conversation().run(text) == "");
        CHECK(Conversation().run(text, true) == "");
    }
}

TEST_CASE("simple queries are answered one by one") {
    check_all({
        "=free >Q =busy =r1 =p1 <T <D <D <C =busy <ZI =free",
        ">Q <C <C <C <ZI =free",  // several statements in one text
        ">Q <I <ZI =free",        // an empty query
        ">Q <E <ZI =free",        // an error
        ">Q <T <D <E <ZI =free",  // an error after rows
        ">Q <C <ZT =busy =p0 >Q <E <ZE =busy >Q <C <ZI =free",
        ">Q >Q >Q =r3 <C <ZI =r2 <E <ZI <C <ZI =free",  // pipelined
        ">Q <N <S <A <C <ZI =free",                     // what may come at any time
        "=free <N <S <A =free",
    });
}

TEST_CASE("extended queries are open until their Sync is answered") {
    check_all({
        ">P =unsynced =r0 =busy <1 =p0 =busy >S =synced =r1 <ZI =free",
        ">P >B >D >E >S =p5 =r1 <1 <2 <t <T <D <C <ZI =free",
        ">P >B >d >E >S <1 <2 <n <C <ZI =free",
        ">B >E >S <2 <D <s <ZT =busy >E >S <D <C <ZI =free",  // portal suspended
        ">B >E >S <2 <I <ZI =free",                           // empty query
        ">C >S <3 <ZI =free", ">S <ZI =free >S >S =r2 <ZI <ZI =free",
        ">P >B >E <1 <2 <C =p0 =unsynced =busy >S <ZI =free",  // after a Flush
    });
}

TEST_CASE("a pipeline over several Syncs keeps its order") {
    check_all({
        ">B >E >S >B >E >S =r2 <2 <C <ZI =r1 =busy <2 <C <ZI =free",
        ">B >E >S >Q >F =r3 <2 <C <ZI <C <ZI <V <ZI =free",
        ">B >E >S >B =unsynced <2 <C <ZI =unsynced =busy <2 >S <ZI =free",
        // an error in the first batch leaves the second alone
        ">P >B >E >S >B >E >S <E x3 =p4 <ZI <2 <C <ZI x0 =free",
        // a Sync that fails (deferred constraints) still ends its batch
        ">B >E >S <2 <C <E <ZI =free",
    });
}

TEST_CASE("an error in a batch drops it up to its Sync") {
    check_all({
        ">P >B >E >S <1 <E x2 =r1 <ZI =free",
        ">P <E x1 =skip =unsynced =busy =p0 -B -E -P =p0 >S =busy =r1 <ZI =free",
        // a simple query and a function call are skipped, too
        ">P >B >Q >F >E >S <E x5 =r1 <ZI =free",
        ">P <E =skip -Q -F -c =r0 >S <ZI =free",
        ">P <E >S >Q =r2 <ZI <C <ZI =free",
        ">E >S <E x1 <ZE =busy >Q <C <ZI =free",
        ">P >B >Q <E x3 =skip =r0 =busy >S <ZI =free",
    });
}

TEST_CASE(
    "an error with nothing owed goes to the client, and the server is not used again as it is") {
    check_all({"<E =skip =busy", ">Q <C <ZI <E =skip =busy", ">P <1 <E =skip =busy >S <ZI =free"});
}

TEST_CASE("a function call is answered like a query") {
    check_all({">F =r1 <V <ZI =free", ">F <E <ZI =free", ">F >Q <V <ZI <C <ZI =free"});
}

TEST_CASE("COPY in a simple query") {
    check_all({
        ">Q <G =in =busy >c <C =none x1 <ZI =free",
        ">Q >c <G <C x1 <ZI =free",            // all sent at once
        ">Q <G =in >c <E =none x1 <ZI =free",  // CopyFail, or bad data
        ">Q <G <E =none >c <ZI =free",         // CopyDone crosses the error
        ">Q >c <E =none <ZI =free",            // it never began: the CopyDone is ignored
        ">Q <G >c <C <G >c <C x2 <ZI =free",   // two COPYs in one text
        ">Q <G >c >c <C x1 <ZI =free",         // one CopyDone too many
        ">Q <H =out <d <d <c <C =none <ZI =free", ">Q <H =out <d <E =none <ZI =free",
        ">Q <W =both <d >c <c <C =none <ZI =free",
        ">Q <W =both <d <S <N >c <d <c <C <C =none <ZI =free",  // logical: COPY, then the command
        ">Q <W =both <c >c <T <D <C <C =none <ZI =free",        // the timeline has ended
        ">Q <W =both <d <E =none =busy <ZI =free",              // cancelled
        ">Q <W =both >c <E =none <ZI =free >Q <T <D <C <ZI =free",          // its end met an error
        ">Q <T <D <C <T <D <C <H <d <d <c <C <T <D <C <C =none <ZI =free",  // a base backup
        ">Q <G >S >S =r3 >c <C x3 =r1 <ZI =free",  // Syncs are ignored within
    });
}

TEST_CASE("COPY in an extended query") {
    check_all({
        ">B >E >S <2 <H <d <c <C <ZI =free",
        ">B >E <2 <G =in >c >S <C x1 =none <ZI =free",
        ">B >E >c >S <2 <G <C x1 <ZI =free",
        // libpq sends its Sync with the Execute: the server ignores it while it reads data
        ">P >B >d >E >S <1 <2 <n <G =in >c >S =r2 <C x2 =r1 <ZI =free",
        ">B >E >S <2 <G >c <C x2 =r0 =unsynced =busy >S <ZI =free",
        ">B >E >S <2 <G =in >c >S <E x3 =r1 <ZI =free",
        // a failure before CopyDone: the Sync has been eaten, the server skips to the next
        ">B >E >S <2 <G <E =skip =r0 =busy -c >S <ZI =free",
        ">B >E <2 <G <E =skip -c >S <ZI =free",
        ">B >E >S <2 <G >c >S >Q <C x2 <ZI <C <ZI =free",
    });
}

TEST_CASE("a stray CopyDone is answered by nothing") {
    check_all({
        ">c =p0 =free",
        ">Q >c <C <ZI =p0 =free",
        ">Q >c >c >Q <C <ZI =p1 <C <ZI =free",
        ">P >c >S <1 =p1 <ZI =free",
        ">P >c >B >S <E x3 <ZI =free",
        "~P >c >c ^ =p0 =free",
    });
}

TEST_CASE("what the proxy slipped in is swallowed") {
    check_all({
        ">>Q =busy <<C <<ZI =free",
        ">>Q >Q <<C <<ZI <T <D <C <ZI =free",
        ">>Q <<E <<ZI =free",
        ">>P >B >E >S <<1 <2 <C <ZI =free",
        ">>C >P >S <<3 <1 <ZI =free",
        ">>P >B >E >S <E x3 <ZI =free",  // its error is the client's
        ">>Q <<G =in <<E =none <<ZI =free",
        ">>S <<ZI =free",
        ">>Q <<ZT =busy >Q <C <ZI =free",
    });
}

TEST_CASE("faked answers come in their turn and keep nothing open") {
    check_all({
        "~P =p1 =synced =busy ^ =free",
        "~P ~C ^ ^ ^0 =free",
        "~P >B >E >S ^ ^0 <2 <C <ZI =free",
        ">B ~P >S ^0 <2 ^ <ZI =free",
        ">B >E >S ~P >B >S ^0 <2 <C ^0 <ZI ^ <2 <ZI =free",
        ">B ~P ~C >S <E x3 ^0 <ZI =free",  // given up like real ones
        ">P <E =skip =p0 >S <ZI =free",
        "~P <!1",
        "~C <!3",
        "~P >S <!Z",
        "~P >Q <!C",
    });
}

TEST_CASE("a faked request is dropped when the server skips to Sync") {
    ProtocolTracker tracker;
    DroppedLog dropped;
    tracker.sent(Request::Bind, Origin::Client);
    tracker.on_backend(BackendTag::ErrorResponse, 0, dropped);
    CHECK_FALSE(tracker.sent(Request::Parse, Origin::Faked));
    CHECK_FALSE(tracker.sent(Request::Close, Origin::Proxy));
    CHECK(tracker.pending() == 0);
    CHECK(tracker.sent(Request::Sync, Origin::Proxy));
    CHECK(tracker.on_backend(BackendTag::ReadyForQuery, 'I', dropped) == Verdict::Swallow);
    CHECK(tracker.is_releasable());
}

TEST_CASE("an answer that does not fit is doubted") {
    check_all({
        "<!Z",
        "<!1",
        "<!2",
        "<!3",
        "<!C",
        "<!I",
        "<!s",
        "<!T",
        "<!D",
        "<!n",
        "<!t",
        "<!d",
        "<!c",
        "<!G",
        "<!H",
        "<!W",
        "<!V",
        "<!R",
        "<!K",
        "<!v",
        ">Q <!1",
        ">Q <!2",
        ">Q <!3",
        ">Q <!s",
        ">Q <!R",
        ">Q <!K",
        ">Q <!v",
        ">Q <!Z?",
        ">Q <!Z",
        ">P <!2",
        ">P <!3",
        ">P <!C",
        ">P <!I",
        ">P <!s",
        ">P <!ZI",
        ">P <!G",
        ">P <!H",
        ">B <!1",
        ">B <!3",
        ">B <!C",
        ">B <!ZI",
        ">B <!W",
        ">E <!1",
        ">E <!2",
        ">E <!3",
        ">E <!ZI",
        ">C <!1",
        ">C <!C",
        ">D <!1",
        ">D <!C",
        ">d <!ZI",
        ">S <!1",
        ">S <!C",
        ">S <!s",
        ">S <!G",
        ">F <!1",
        ">F <!C",
        ">F <!G",
        ">P >B <!2",
        ">B >S <!ZI",
        ">P >S <1 <ZI <!ZI",
        ">Q <G <!ZI",
        ">Q <H <!ZT",
    });
}

TEST_CASE("those that were given up are told with all they had, in order") {
    ProtocolTracker tracker;
    DroppedLog dropped;
    tracker.sent(Request::Parse, Origin::Proxy, 11);
    tracker.sent(Request::Bind, Origin::Client);
    tracker.sent(Request::Close, Origin::Faked, 12);
    tracker.sent(Request::Sync, Origin::Client);
    CHECK(tracker.head().statement == 11);
    CHECK(tracker.on_backend(BackendTag::ErrorResponse, 0, dropped) == Verdict::Forward);
    REQUIRE(dropped.entries.size() == 3);
    CHECK(same_entry(dropped.entries[0], {Request::Parse, Origin::Proxy, 11}));
    CHECK(same_entry(dropped.entries[1],
                     {Request::Bind, Origin::Client, PendingReply::kNoStatement}));
    CHECK(same_entry(dropped.entries[2], {Request::Close, Origin::Faked, 12}));
    CHECK(tracker.head().request == Request::Sync);
}

TEST_CASE("the ring grows in the middle of a conversation and keeps its order") {
    for (uint32_t offset = 0; offset < 20; ++offset) {
        ProtocolTracker tracker;
        DroppedLog dropped;
        for (uint32_t i = 0; i < offset; ++i) {  // moves the head
            tracker.sent(Request::Parse, Origin::Client, i);
            tracker.on_backend(BackendTag::ParseComplete, 0, dropped);
        }
        for (uint32_t i = 0; i < 1000; ++i)
            tracker.sent(Request::Parse, Origin::Client, i);
        CHECK(tracker.pending() == 1000);
        for (uint32_t i = 0; i < 1000; ++i) {
            if (tracker.head().statement != i) FAIL(i);
            tracker.on_backend(BackendTag::ParseComplete, 0, dropped);
        }
        CHECK(tracker.pending() == 0);
        CHECK(dropped.entries.empty());
    }
}

TEST_CASE("batches are numbered as they are sent and answered") {
    ProtocolTracker tracker;
    DroppedLog dropped;
    CHECK(tracker.batch() == tracker.answering_batch());
    const uint64_t first = tracker.batch();
    tracker.sent(Request::Parse, Origin::Client);
    CHECK(tracker.batch() == first);
    tracker.sent(Request::Sync, Origin::Client);
    tracker.sent(Request::Query, Origin::Client);
    tracker.sent(Request::Parse, Origin::Client);
    CHECK(tracker.batch() == first + 2);
    CHECK(tracker.answering_batch() == first);
    tracker.on_backend(BackendTag::ErrorResponse, 0, dropped);
    CHECK(tracker.answering_batch() == first);
    tracker.on_backend(BackendTag::ReadyForQuery, 'I', dropped);
    CHECK(tracker.answering_batch() == first + 1);
    tracker.on_backend(BackendTag::CommandComplete, 0, dropped);
    tracker.on_backend(BackendTag::ReadyForQuery, 'I', dropped);
    CHECK(tracker.answering_batch() == tracker.batch());
    CHECK(tracker.pending() == 1);
}

TEST_CASE("COPY data is wanted until its end has been sent") {
    ProtocolTracker tracker;
    DroppedLog dropped;
    tracker.sent(Request::Query, Origin::Client);
    CHECK_FALSE(tracker.wants_copy_data());
    tracker.on_backend(BackendTag::CopyInResponse, 0, dropped);
    CHECK(tracker.wants_copy_data());
    tracker.sent(Request::CopyEnd, Origin::Client);
    CHECK_FALSE(tracker.wants_copy_data());
    tracker.sent(Request::Query, Origin::Client);
    tracker.on_backend(BackendTag::CommandComplete, 0, dropped);
    tracker.on_backend(BackendTag::ReadyForQuery, 'I', dropped);
    CHECK_FALSE(tracker.wants_copy_data());
    tracker.on_backend(BackendTag::CopyOutResponse, 0, dropped);
    CHECK_FALSE(tracker.wants_copy_data());
}

TEST_CASE("reset forgets everything") {
    ProtocolTracker tracker;
    DroppedLog dropped;
    tracker.sent(Request::Query, Origin::Client);
    tracker.on_backend(BackendTag::CopyInResponse, 0, dropped);
    tracker.sent(Request::Parse, Origin::Client);
    tracker.reset();
    CHECK(tracker.is_releasable());
    CHECK(tracker.ready_owed() == 0);
    tracker.sent(Request::Parse, Origin::Client);
    tracker.on_backend(BackendTag::ErrorResponse, 0, dropped);
    CHECK(tracker.is_skipping_to_sync());
    tracker.reset();
    CHECK(tracker.is_releasable());
}

TEST_CASE("a state that contradicts itself is refused") {
    ProtocolTracker tracker;
    tracker.sent(Request::Parse, Origin::Client);
    tracker.sent(Request::Sync, Origin::Client);
    ProtocolTracker::State state = tracker.save();
    ProtocolTracker other;
    CHECK(other.restore(state));
    CHECK(other.ready_owed() == 1);
    SUBCASE("more owed than asked for") {
        state.ready_owed = 2;
    }
    SUBCASE("batches that never began") {
        state.batch = 0;
    }
    SUBCASE("an unknown status") {
        state.status = static_cast<TransactionStatus>('X');
    }
    CHECK_FALSE(other.restore(state));
    CHECK(other.is_releasable());
}

}  // namespace
}  // namespace weir::tracker_test
