#include "proxy/net/held_sends.h"

#include <doctest/doctest.h>
#include <cerrno>
#include <map>
#include <string>

#include "tests/support/deaf_io.h"

namespace weir::held_sends_test {

namespace {

// Sockets by their numbers; each takes what `room` leaves it, and all sends are noted in order.
class Sockets final : public DeafIo {
  public:
    ssize_t send(int fd, std::span<const iovec> pieces) override {
        if (broken.contains(fd)) return -EPIPE;
        std::string text;
        for (const iovec& piece : pieces)
            text.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
        const auto limit = room.find(fd);
        if (limit != room.end()) text.resize(std::min(text.size(), limit->second));
        if (text.empty()) return -EAGAIN;
        sends.push_back(std::to_string(fd) + ":" + text);
        return static_cast<ssize_t>(text.size());
    }

    std::map<int, size_t> room;
    std::map<int, bool> broken;
    std::vector<std::string> sends;
};

struct Fixture {
    ssize_t flush(int fd, std::string_view text, bool may_wait = true) {
        Output output;
        output.append_copy(text.substr(0, 1));
        output.append_copy(text.substr(1));
        return sends.flush(output, {io, fd, nullptr}, backlogs[fd], owner(fd), may_wait);
    }
    static Watch owner(int fd) { return {static_cast<uint64_t>(fd) << 4}; }
    std::string rest(int fd) { return std::string(as_text(backlogs[fd].view())); }

    Sockets io;
    HeldSends sends{io};
    std::map<int, ByteQueue> backlogs;
};

using Sent = std::vector<std::string>;

}  // namespace

TEST_CASE_FIXTURE(Fixture, "outside of a batch nothing is held") {
    CHECK(flush(1, "one") == 3);
    CHECK(io.sends == Sent{"1:one"});
}

TEST_CASE_FIXTURE(Fixture, "in a batch, sends leave behind it, oldest first") {
    sends.hold();
    CHECK(flush(1, "one") == 3);
    CHECK(flush(2, "second") == 6);
    CHECK(flush(3, "now", false) == 3);
    CHECK(io.sends == Sent{"3:now"});
    sends.release();
    CHECK(io.sends == Sent{"3:now", "1:one", "2:second"});
    CHECK(flush(1, "after") == 5);
    CHECK(io.sends.back() == "1:after");
}

TEST_CASE_FIXTURE(Fixture, "what is held goes before long work, and holding goes on") {
    sends.hold();
    flush(1, "one");
    sends.send_all();
    CHECK(io.sends == Sent{"1:one"});
    flush(2, "two");
    CHECK(io.sends.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "the bytes of one descriptor stay in order") {
    sends.hold();
    flush(1, "a");
    flush(2, "b");
    SUBCASE("when more follows that may wait") {
        flush(1, "c");
        CHECK(io.sends == Sent{"1:a", "2:b"});
        sends.release();
        CHECK(io.sends.back() == "1:c");
    }
    SUBCASE("when more follows that may not") {
        flush(1, "c", false);
        CHECK(io.sends == Sent{"1:a", "2:b", "1:c"});
    }
    SUBCASE("when something else is to follow") {
        sends.settle(3);
        CHECK(io.sends.empty());
        sends.settle(2);
        CHECK(io.sends == Sent{"1:a", "2:b"});
    }
}

TEST_CASE_FIXTURE(Fixture, "what is long, or behind a backlog, is not held") {
    sends.hold();
    const std::string longer(1025, 'x');
    CHECK(flush(1, longer) == 1025);
    CHECK(io.sends == Sent{"1:" + longer});
    backlogs[2].append(as_bytes("before"));
    CHECK(flush(2, "after") == 5);
    CHECK(rest(2) == "beforeafter");
    CHECK(io.sends.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "many leave some at a time") {
    sends.hold();
    const std::string text(1024, 'x');
    for (int fd = 1; fd <= 100; ++fd)
        flush(fd, text);
    CHECK(io.sends.size() == 96);
    sends.release();
    REQUIRE(io.sends.size() == 100);
    for (int fd = 1; fd <= 100; ++fd)
        CHECK(io.sends[static_cast<size_t>(fd - 1)] == std::to_string(fd) + ":" + text);
}

TEST_CASE_FIXTURE(Fixture, "what a socket does not take is its owner's again") {
    io.room = {{1, 2}, {2, 0}};
    io.broken[3] = true;
    sends.hold();
    for (int fd = 1; fd <= 4; ++fd)
        CHECK(flush(fd, "text") == 4);
    CHECK_FALSE(sends.has_cut_short());
    sends.release();
    CHECK(io.sends == Sent{"1:te", "4:text"});
    CHECK(rest(1) == "xt");
    CHECK(rest(2) == "text");
    CHECK(rest(3) == "text");
    CHECK(rest(4).empty());
    REQUIRE(sends.has_cut_short());
    std::vector<uint64_t> owners;
    for (const Watch& watch : sends.take_cut_short())
        owners.push_back(watch.word);
    CHECK(owners == std::vector<uint64_t>{owner(1).word, owner(2).word, owner(3).word});
    CHECK_FALSE(sends.has_cut_short());
}

TEST_CASE_FIXTURE(Fixture, "what follows what was cut short goes behind it") {
    io.room = {{1, 2}};
    sends.hold();
    flush(1, "abcd");
    flush(1, "ef");
    CHECK(io.sends == Sent{"1:ab"});
    CHECK(rest(1) == "cdef");
}

}  // namespace weir::held_sends_test
