// Goal: whatever a client sends, the console answers with whole messages, gives one ReadyForQuery
// for each Sync and each Query it has worked off, and goes on serving others. Method: seeded trains
// of messages, changed at random, against a console whose snapshots come late or at once.
#include <doctest/doctest.h>

#include <random>

#include "console_fixture.h"

namespace weir::console_robustness_test {
namespace {

using namespace console_test;

class Trains {
  public:
    explicit Trains(uint32_t seed) : random_(seed) {}

    uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_()) % n; }

    std::string name() { return std::string(below(3), static_cast<char>('a' + below(2))); }

    std::string sql() {
        static const char* const kTexts[] = {"SHOW POOLS",
                                             "SHOW VERSION",
                                             "SHOW STATS",
                                             "PAUSE",
                                             "PAUSE app",
                                             "RESUME",
                                             "KILL app",
                                             "SHOW CLIENTS; SHOW HELP",
                                             "SET client_encoding = 'UTF8'",
                                             "DEALLOCATE a",
                                             "DISCARD ALL",
                                             "",
                                             "SHOW FDS",
                                             "BEGIN",
                                             "SHOW CONFIG",
                                             "SHOW nope",
                                             "pause \"x",
                                             "SHOW LISTS",
                                             "SELECT version"};
        return kTexts[below(std::size(kTexts))];
    }

    std::string next() {
        switch (below(10)) {
            case 0: return query(sql());
            case 1: return parse(name(), sql(), std::vector<uint32_t>(below(3), 23));
            case 2:
            case 3:
                return bind_portal(name(), name(),
                                   std::vector<uint16_t>(below(4), static_cast<uint16_t>(below(3))),
                                   std::vector<std::string>(below(2), "x"));
            case 4: return describe(below(2) == 0 ? 'S' : 'P', name());
            case 5:
            case 6: return execute(name(), below(3));
            case 7: return close(below(2) == 0 ? 'S' : 'P', name());
            case 8: return sync();
            default: return flush();
        }
    }

    // Some bytes of the bodies become others; the frames stay whole or do not.
    void damage(std::string& train) {
        for (uint32_t left = below(4); left > 0 && !train.empty(); --left) {
            const size_t at = below(static_cast<uint32_t>(train.size()));
            if (below(8) == 0) {
                train.erase(at, 1 + below(6));
            } else {
                train[at] = static_cast<char>(below(256));
            }
        }
    }

  private:
    std::mt19937 random_;
};

void settle(Fixture& f) {
    for (int i = 0; i < 100; ++i) {
        while (!f.inspector.waiting_snapshots.empty())
            f.inspector.deliver_snapshot();
        f.console.on_tick(f.inspector.time);
        if (f.inspector.waiting_snapshots.empty()) break;
    }
}

TEST_CASE("damaged messages never break the console") {
    constexpr uint32_t kTrains = 50000;
    auto f = std::make_unique<Fixture>();
    Trains trains(20260131);
    uint32_t slot = 1;
    for (uint32_t i = 0; i < kTrains; ++i) {
        if (i % 1000 == 0) f = std::make_unique<Fixture>();
        f->inspector.snapshots_wait = trains.below(2) == 0;
        f->inspector.quiet = trains.below(4) != 0;
        if (trains.below(50) == 0) f->inspector.next_error = Error("08P01", "no");
        std::string train;
        for (uint32_t left = 1 + trains.below(6); left > 0; --left)
            train += trains.next();
        trains.damage(train);
        f->send(train, slot, trains.below(2) == 0);
        if (trains.below(10) == 0) f->console.on_cancel(Fixture::id(slot));
        f->inspector.quiet = true;
        if (trains.below(4) != 0) settle(*f);
        f->receive(slot);  // throws when an answer is broken
        if (f->is_closed(slot) || trains.below(20) == 0) {
            f->console.on_disconnect(Fixture::id(slot));
            f->sent.erase(slot);
            f->closed.clear();
            slot = 1 + (slot + 1) % 5;
        }
    }
    f->inspector.quiet = true;
    settle(*f);
    CHECK(f->run("SHOW VERSION", 99).types == "TDCZ");
}

TEST_CASE(
    "well-formed trains get a ReadyForQuery for each Sync and each Query, whatever their order") {
    for (uint32_t seed = 1; seed <= 2000; ++seed) {
        CAPTURE(seed);
        Fixture f;
        Trains trains(seed);
        f.inspector.snapshots_wait = seed % 2 == 0;
        std::string types;
        size_t due = 0;
        bool may_skip = false;
        for (int i = 0; i < 30; ++i) {
            const std::string message = trains.next();
            // A Query may be skipped after an error: put a Sync before it.
            if (message[0] == 'Q' && may_skip) f.send(sync()), ++due;
            may_skip = message[0] != 'Q' && (may_skip || message[0] != 'S');
            if (message[0] == 'Q' || message[0] == 'S') ++due;
            f.send(message);
        }
        f.send(sync());
        settle(f);
        const std::string got = f.receive().types;
        CHECK(static_cast<size_t>(std::count(got.begin(), got.end(), 'Z')) == due + 1);
        CHECK_FALSE(f.is_closed());
    }
}

}  // namespace
}  // namespace weir::console_robustness_test
