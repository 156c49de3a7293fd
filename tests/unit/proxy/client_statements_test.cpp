// Goal: a client's names are what a server of its own would have, also when the server skips what
// was sent; no reference to a statement is lost or given back twice.
// Method: by hand, confirming and undoing in the order of the answers; the references are counted
// through the cache.
//
#include "proxy/prepared/client_statements.h"

#include <doctest/doctest.h>

namespace weir::client_statements_test {
namespace {

struct Fixture {
    // A Parse of `name` with `text` arrived and went out, or was faked.
    Statement& parse(std::string_view name, std::string_view text, uint64_t batch = 0) {
        Statement& statement = cache.acquire(as_bytes(text), true);
        CHECK(mine.insert(name, statement));
        mine.expect_parse(name, batch);
        return statement;
    }
    std::string_view text_of(std::string_view name) {
        const Statement* found = mine.find(name);
        return found == nullptr ? "(none)" : std::string_view(found->text_and_types);
    }

    StatementCache cache;
    ClientStatements mine{cache};
};

TEST_CASE_FIXTURE(Fixture, "a client without statements finds none") {
    CHECK(mine.find("a") == nullptr);
    CHECK(mine.find("") == nullptr);
    mine.erase("a");
    mine.forget_unnamed();
    mine.confirm_oldest();
    mine.undo_oldest();
    CHECK(mine.size() == 0);
}

TEST_CASE_FIXTURE(Fixture, "names are found as long as they live") {
    Statement& a = parse("a", "text");
    mine.confirm_oldest();
    CHECK(mine.find("a") == &a);
    CHECK(mine.find("A") == nullptr);
    CHECK(mine.size() == 1);
    mine.erase("a");
    CHECK(mine.find("a") == nullptr);
    CHECK(a.references == 0);
}

TEST_CASE_FIXTURE(Fixture, "a name that is taken stays with its statement") {
    Statement& a = parse("a", "one");
    Statement& other = cache.acquire(as_bytes("two"), true);
    CHECK_FALSE(mine.insert("a", other));
    CHECK(other.references == 0);
    CHECK(mine.find("a") == &a);
}

TEST_CASE_FIXTURE(Fixture, "the unnamed statement is simply replaced") {
    Statement& one = cache.acquire(as_bytes("one"), false);
    CHECK(mine.insert("", one));
    CHECK(mine.find("") == &one);
    CHECK(mine.insert("", cache.acquire(as_bytes("two"), false)));
    CHECK(text_of("") == "two");
    CHECK(one.references == 0);
    CHECK(mine.size() == 0);
    mine.erase("");
    CHECK(mine.find("") == nullptr);
}

TEST_CASE_FIXTURE(Fixture, "a Parse that was skipped is undone") {
    Statement& a = parse("a", "text");
    mine.undo_oldest();
    CHECK(mine.find("a") == nullptr);
    CHECK(a.references == 0);
}

TEST_CASE_FIXTURE(Fixture, "answers are confirmed and undone in order") {
    parse("a", "one");
    parse("b", "two");
    mine.confirm_oldest();
    mine.undo_oldest();
    CHECK(text_of("a") == "one");
    CHECK(text_of("b") == "(none)");
}

TEST_CASE_FIXTURE(Fixture, "a Close takes effect at once and can be undone") {
    Statement& a = parse("a", "text");
    mine.confirm_oldest();
    mine.expect_close("a", 0);
    CHECK(mine.find("a") == nullptr);
    CHECK(a.references == 1);
    mine.undo_oldest();
    CHECK(mine.find("a") == &a);
    mine.expect_close("a", 0);
    mine.confirm_oldest();
    CHECK(mine.find("a") == nullptr);
    CHECK(a.references == 0);
}

TEST_CASE_FIXTURE(Fixture, "a Close of nothing is answered, too") {
    mine.expect_close("a", 0);
    mine.undo_oldest();
    mine.expect_close("a", 0);
    mine.confirm_oldest();
    CHECK(mine.size() == 0);
}

TEST_CASE_FIXTURE(Fixture, "a name closed and parsed anew has the new text when both are done") {
    Statement& one = parse("a", "one");
    mine.confirm_oldest();
    mine.expect_close("a", 0);
    parse("a", "two");
    mine.confirm_oldest();
    mine.confirm_oldest();
    CHECK(text_of("a") == "two");
    CHECK(one.references == 0);
}

TEST_CASE_FIXTURE(Fixture, "a name closed and parsed anew has the old text when both are skipped") {
    parse("a", "one");
    mine.confirm_oldest();
    mine.expect_close("a", 0);
    parse("a", "two");
    mine.undo_oldest();
    mine.undo_oldest();
    CHECK(text_of("a") == "one");
}

TEST_CASE_FIXTURE(Fixture, "a name parsed and closed in one batch is free when both are skipped") {
    Statement& a = parse("a", "text");
    mine.expect_close("a", 0);
    mine.undo_oldest();
    mine.undo_oldest();
    CHECK(mine.find("a") == nullptr);
    CHECK(a.references == 0);
}

TEST_CASE_FIXTURE(Fixture, "a Close skipped after its Parse was done brings the name back") {
    Statement& a = parse("a", "text");
    mine.expect_close("a", 0);
    mine.confirm_oldest();
    mine.undo_oldest();
    CHECK(mine.find("a") == &a);
    CHECK(a.references == 1);
}

TEST_CASE_FIXTURE(Fixture, "DISCARD ALL forgets names, but not those on their way") {
    Statement& a = parse("a", "one");
    mine.confirm_oldest();
    parse("b", "two");
    mine.insert("", cache.acquire(as_bytes("unnamed"), false));
    mine.forget_confirmed();
    CHECK(mine.find("a") == nullptr);
    CHECK(a.references == 0);
    CHECK(text_of("b") == "two");
    mine.confirm_oldest();
    mine.forget_confirmed();
    CHECK(mine.size() == 0);
}

TEST_CASE_FIXTURE(Fixture,
                  "a Close on its way during DISCARD ALL and skipped brings nothing back") {
    parse("a", "one");
    mine.confirm_oldest();
    mine.expect_close("a", 0);  // sent behind a DISCARD ALL that is still running
    mine.forget_confirmed();    // the DISCARD ALL is done
    mine.undo_oldest();
    CHECK(mine.find("a") == nullptr);
}

TEST_CASE_FIXTURE(Fixture,
                  "a Parse and a Close on their way during DISCARD ALL, the Close skipped") {
    parse("a", "old");
    mine.confirm_oldest();
    // Sent behind a DISCARD ALL that is still running:
    mine.expect_close("a", 0);
    parse("a", "new", 1);
    mine.expect_close("a", 2);
    mine.forget_confirmed();  // the DISCARD ALL is done
    mine.confirm_oldest();
    mine.confirm_oldest();
    CHECK(mine.find("a") == nullptr);
    mine.undo_oldest();
    CHECK(text_of("a") == "new");
}

TEST_CASE_FIXTURE(Fixture, "a name is undecided for later batches until its answer is there") {
    CHECK_FALSE(mine.is_undecided("a", 7));
    parse("a", "one", 7);
    CHECK_FALSE(mine.is_undecided("a", 7));  // skipped, it takes the rest of its batch with it
    CHECK(mine.is_undecided("a", 8));
    CHECK_FALSE(mine.is_undecided("b", 8));
    mine.expect_close("a", 8);
    mine.confirm_oldest();
    CHECK_FALSE(mine.is_undecided("a", 8));
    CHECK(mine.is_undecided("a", 9));
    mine.undo_oldest();
    CHECK_FALSE(mine.is_undecided("a", 9));
    CHECK(text_of("a") == "one");
}

TEST_CASE_FIXTURE(Fixture, "the number of unanswered changes has a bound") {
    int count = 0;
    while (!mine.has_many_unconfirmed() && count < 10'000) {
        mine.expect_close("a", 0);
        ++count;
    }
    CHECK(count > 100);
    CHECK(count < 10'000);
    mine.confirm_oldest();
    CHECK_FALSE(mine.has_many_unconfirmed());
}

TEST_CASE("a client that goes gives every reference back") {
    StatementCache cache;
    Statement& one = cache.acquire(as_bytes("one"), true);
    Statement& two = cache.acquire(as_bytes("two"), true);
    Statement& unnamed = cache.acquire(as_bytes("unnamed"), false);
    {
        ClientStatements mine(cache);
        mine.insert("a", one);
        mine.insert("b", two);
        mine.insert("", unnamed);
        mine.expect_close("b", 0);
        CHECK(two.references == 1);
    }
    CHECK(one.references == 0);
    CHECK(two.references == 0);
    CHECK(unnamed.references == 0);
}

TEST_CASE_FIXTURE(Fixture, "another process goes on with a client's names") {
    parse("a", "select 1");
    mine.confirm_oldest();
    parse("b", "select 2");
    mine.confirm_oldest();
    mine.expect_close("b", 4);
    mine.insert("", cache.acquire(as_bytes("select 3"), false));
    const ClientStatements::State state = mine.save();

    StatementCache cache_there;
    ClientStatements there(cache_there);
    const auto take = [&cache_there](const Statement* statement) -> Statement& {
        return cache_there.acquire(as_bytes(statement->text_and_types), true);
    };
    there.insert("", take(state.unnamed));
    for (const ClientStatements::Saved& it : state.named)
        CHECK(there.insert(it.name, take(it.statement)));
    REQUIRE(state.unconfirmed.size() == 1);
    const ClientStatements::SavedChange& change = state.unconfirmed[0];
    there.restore_change(change.name, change.batch, &take(change.before), change.is_parse);
    CHECK(there.find("a") != nullptr);
    CHECK(there.find("b") == nullptr);
    CHECK(there.find("")->sql() == "select 3");
    CHECK(there.is_undecided("b", 5));
    there.undo_oldest();  // the server has skipped the Close
    REQUIRE(there.find("b") != nullptr);
    CHECK(there.find("b")->sql() == "select 2");
}

TEST_CASE_FIXTURE(Fixture,
                  "a name that means another statement from now on gives the old one back") {
    Statement& before = parse("a", "one");
    mine.confirm_oldest();
    mine.replace("a", cache.acquire(as_bytes("two"), true));
    CHECK(text_of("a") == "two");
    CHECK(before.references == 0);
    mine.replace("a", cache.acquire(as_bytes("two"), true));
    CHECK(mine.find("a")->references == 1);
}

TEST_CASE_FIXTURE(Fixture, "what an unnamed statement deallocates is told once, to its own batch") {
    mine.note_deallocate("a", 3);
    CHECK(mine.take_deallocate(3) == "a");
    CHECK(mine.take_deallocate(3).empty());
    mine.note_deallocate("a", 3);
    CHECK(mine.take_deallocate(4).empty());
    mine.note_deallocate("a", 3);
    mine.note_deallocate("", 3);
    CHECK(mine.take_deallocate(3).empty());
}

}  // namespace
}  // namespace weir::client_statements_test
