// Goal: what a worker watches goes with it from thread to thread, and nothing is missed or reported
// twice. Method: two workers, two epoll sets, pipes.
#include "proxy/net/epoll_io.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <vector>

namespace weir::epoll_io_test {
namespace {

struct Pipe {
    Pipe() { REQUIRE(pipe(ends.data()) == 0); }
    ~Pipe() {
        close(ends[0]);
        close(ends[1]);
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    [[nodiscard]] int in() const { return ends[0]; }
    void write() const { REQUIRE(::write(ends[1], "x", 1) == 1); }
    void read() const {
        char byte = 0;
        REQUIRE(::read(ends[0], &byte, 1) == 1);
    }
    std::array<int, 2> ends{};
};

Watch watch_of(uint64_t number) {
    return {number << 16};
}

// The numbers of what is ready now, in any order.
std::vector<uint64_t> ready_in(EpollSet& set) {
    std::vector<uint64_t> out;
    const int count = set.wait(0);
    for (int i = 0; i < count; ++i)
        out.push_back(set.at(i).watch.word >> 16);
    return out;
}

using Numbers = std::vector<uint64_t>;

struct Fixture {
    Fixture() {
        one.enter(first);
        two.enter(second);
    }
    WatchTable table;
    SocketOptions options;
    EpollSet first, second;
    EpollIo one{0, table, options}, two{1, table, options};
    Pipe pipe, other;
};

TEST_CASE_FIXTURE(Fixture, "what is ready is reported in the set of its worker, and only there") {
    one.add(pipe.in(), watch_of(7), true, false);
    CHECK(ready_in(first).empty());
    pipe.write();
    CHECK(ready_in(first) == Numbers{7});
    CHECK(ready_in(second).empty());
}

TEST_CASE_FIXTURE(Fixture, "a worker that changes sets takes along what it watches") {
    one.add(pipe.in(), watch_of(7), true, false);
    two.add(other.in(), watch_of(8), true, false);
    other.write();
    two.leave();
    CHECK(ready_in(second).empty());
    pipe.write();
    two.enter(first);
    CHECK(ready_in(first).size() == 2);
    CHECK(ready_in(second).empty());
    pipe.read();
    CHECK(ready_in(first) == Numbers{8});
    two.leave();
    two.enter(second);
    CHECK(ready_in(first).empty());
    CHECK(ready_in(second) == Numbers{8});
}

TEST_CASE_FIXTURE(Fixture, "the interest goes along as it was last changed") {
    two.add(other.in(), watch_of(8), true, false);
    other.write();
    two.modify(other.in(), watch_of(9), false, false);
    two.leave();
    two.enter(first);
    CHECK(ready_in(first).empty());
    two.modify(other.in(), watch_of(9), true, false);
    CHECK(ready_in(first) == Numbers{9});
}

TEST_CASE_FIXTURE(Fixture, "what was removed or closed is not watched anew") {
    Pipe gone;
    two.add(other.in(), watch_of(8), true, false);
    two.add(gone.in(), watch_of(9), true, false);
    two.add(pipe.in(), watch_of(7), true, false);
    const int closed = dup(pipe.in());
    REQUIRE(closed >= 0);
    two.add(closed, watch_of(10), true, false);
    two.remove(gone.in());
    two.close(closed);
    for (const Pipe* one_of : {&other, &gone, &pipe})
        one_of->write();
    two.leave();
    two.remove(pipe.in());  // by another worker, while it is between two threads
    two.enter(first);
    CHECK(ready_in(first) == Numbers{8});
}

TEST_CASE_FIXTURE(Fixture,
                  "a descriptor goes from worker to worker, in one set or from set to set") {
    one.add(pipe.in(), watch_of(7), true, false);
    two.take(one, pipe.in(), watch_of(7));
    pipe.write();
    CHECK(ready_in(first).empty());
    CHECK(ready_in(second) == Numbers{7});
    two.leave();
    two.enter(first);
    one.take(two, pipe.in(), watch_of(7));
    CHECK(ready_in(first) == Numbers{7});
    // It is the first one's now: it stays when the second goes.
    two.leave();
    two.enter(second);
    CHECK(ready_in(first) == Numbers{7});
    CHECK(ready_in(second).empty());
}

TEST_CASE_FIXTURE(Fixture, "an alarm is reported once in each set") {
    two.add_alarm(other.in(), watch_of(8));
    other.write();
    CHECK(ready_in(second) == Numbers{8});
    CHECK(ready_in(second).empty());
    two.leave();
    two.enter(first);
    CHECK(ready_in(first) == Numbers{8});
    CHECK(ready_in(first).empty());
}

}  // namespace
}  // namespace weir::epoll_io_test
