// Goal: what a worker watches goes with it from thread to thread, and nothing is missed or reported
// twice. Method: two workers, two epoll sets, pipes.
#include "proxy/net/epoll_io.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
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

constexpr Interest kRead{.read = true};
constexpr Interest kReadOnce{.read = true, .once = true};

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
    one.add(pipe.in(), watch_of(7), kRead);
    CHECK(ready_in(first).empty());
    pipe.write();
    CHECK(ready_in(first) == Numbers{7});
    CHECK(ready_in(second).empty());
}

TEST_CASE_FIXTURE(Fixture, "a worker that changes sets takes along what it watches") {
    one.add(pipe.in(), watch_of(7), kRead);
    two.add(other.in(), watch_of(8), kRead);
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
    two.add(other.in(), watch_of(8), kRead);
    other.write();
    two.modify(other.in(), watch_of(9), {});
    two.leave();
    two.enter(first);
    CHECK(ready_in(first).empty());
    two.modify(other.in(), watch_of(9), kRead);
    CHECK(ready_in(first) == Numbers{9});
}

TEST_CASE_FIXTURE(Fixture, "what was removed or closed is not watched anew") {
    Pipe gone;
    two.add(other.in(), watch_of(8), kRead);
    two.add(gone.in(), watch_of(9), kRead);
    two.add(pipe.in(), watch_of(7), kRead);
    const int closed = dup(pipe.in());
    REQUIRE(closed >= 0);
    two.add(closed, watch_of(10), kRead);
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
    one.add(pipe.in(), watch_of(7), kRead);
    two.take(one, pipe.in(), watch_of(7), kRead);
    pipe.write();
    CHECK(ready_in(first).empty());
    CHECK(ready_in(second) == Numbers{7});
    two.leave();
    two.enter(first);
    one.take(two, pipe.in(), watch_of(7), kRead);
    CHECK(ready_in(first) == Numbers{7});
    // It is the first one's now: it stays when the second goes.
    two.leave();
    two.enter(second);
    CHECK(ready_in(first) == Numbers{7});
    CHECK(ready_in(second).empty());
}

TEST_CASE_FIXTURE(Fixture, "who is told once is told of what arrives, not of what is there") {
    one.add(pipe.in(), watch_of(7), kReadOnce);
    pipe.write();
    CHECK(ready_in(first) == Numbers{7});
    CHECK(ready_in(first).empty());
    pipe.write();
    CHECK(ready_in(first) == Numbers{7});
    CHECK(ready_in(first).empty());
    one.modify(pipe.in(), watch_of(7), kReadOnce);
    CHECK(ready_in(first) == Numbers{7});
    two.take(one, pipe.in(), watch_of(7), kReadOnce);
    CHECK(ready_in(first).empty());
    CHECK(ready_in(second) == Numbers{7});
    two.leave();
    two.enter(first);
    CHECK(ready_in(first) == Numbers{7});
    CHECK(ready_in(first).empty());
}

TEST_CASE_FIXTURE(Fixture,
                  "the end of the stream is told with the bytes before it, or after them") {
    std::array<int, 2> ends{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0);
    one.add(ends[0], watch_of(7), kReadOnce);
    REQUIRE(send(ends[1], "x", 1, 0) == 1);
    REQUIRE(first.wait(0) == 1);
    CHECK(first.at(0).readable);
    CHECK_FALSE(first.at(0).ended);
    REQUIRE(send(ends[1], "y", 1, 0) == 1);
    REQUIRE(shutdown(ends[1], SHUT_WR) == 0);
    REQUIRE(first.wait(0) == 1);
    CHECK(first.at(0).readable);
    CHECK(first.at(0).ended);
    CHECK(first.wait(0) == 0);
    close(ends[0]);
    close(ends[1]);
}

TEST_CASE_FIXTURE(Fixture, "urgent data, which cut a receive short, are told as well") {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* there = reinterpret_cast<sockaddr*>(&address);
    socklen_t bytes = sizeof address;
    REQUIRE(bind(listener, there, bytes) == 0);
    REQUIRE(listen(listener, 1) == 0);
    REQUIRE(getsockname(listener, there, &bytes) == 0);
    const int peer = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(connect(peer, there, bytes) == 0);
    const int ours = accept(listener, nullptr, nullptr);
    REQUIRE(ours >= 0);
    REQUIRE(send(peer, "before!", 7, MSG_OOB) == 7);
    REQUIRE(send(peer, "behind", 6, 0) == 6);
    one.add(ours, watch_of(7), kReadOnce);
    REQUIRE(first.wait(1000) == 1);
    CHECK(first.at(0).readable);
    CHECK(first.at(0).ended);
    std::array<uint8_t, 100> into{};
    CHECK(one.receive(ours, into) == 6);
    CHECK(one.receive(ours, into) == 6);
    one.close(ours);
    close(peer);
    close(listener);
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
