#include "proxy/net/output.h"

#include <doctest/doctest.h>
#include <cerrno>
#include <string>

#include "tests/support/deaf_io.h"

namespace weir::output_test {

namespace {

// A socket that takes `room` bytes and notes what each send was given.
class Socket final : public DeafIo {
  public:
    ssize_t send(int, std::span<const iovec> pieces) override {
        if (error != 0) return -error;
        ++sends;
        most_pieces = std::max(most_pieces, pieces.size());
        size_t taken = 0;
        for (const iovec& piece : pieces) {
            const size_t n = std::min(piece.iov_len, room);
            got.append(static_cast<const char*>(piece.iov_base), n);
            room -= n;
            taken += n;
        }
        return taken == 0 ? -EAGAIN : static_cast<ssize_t>(taken);
    }

    size_t room = 1'000'000;
    int error = 0;
    int sends = 0;
    size_t most_pieces = 0;
    std::string got;
};

struct Fixture {
    Socket io;
    ByteQueue backlog;
    Output output;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "small pieces leave as one") {
    const std::string first = "one,";
    const std::string second = "three";
    output.append(as_bytes(first));
    output.append_copy("two,");
    output.append(as_bytes(second));
    CHECK(output.flush({io, 1, nullptr}, backlog) == 13);
    CHECK(io.got == "one,two,three");
    CHECK(io.sends == 1);
    CHECK(io.most_pieces == 1);
    CHECK(output.empty());
    CHECK(backlog.empty());
}

TEST_CASE_FIXTURE(Fixture, "large pieces are not copied") {
    const std::string large(100'000, 'x');
    output.append_copy("head");
    output.append(as_bytes(large));
    CHECK(output.flush({io, 1, nullptr}, backlog) == 100'004);
    CHECK(io.got == "head" + large);
    CHECK(io.sends == 1);
    CHECK(io.most_pieces == 2);
}

TEST_CASE_FIXTURE(Fixture, "what the socket does not take is kept, in order") {
    for (const size_t size : {10UL, 100'000UL}) {  // joined, and not
        CAPTURE(size);
        const std::string body(size, 'x');
        for (const size_t room : {size_t{0}, size_t{2}, size_t{7}}) {
            io.room = room;
            io.got.clear();
            output.append_copy("first");
            output.append(as_bytes(body));
            output.append_copy("last");
            const std::string all = "first" + body + "last";
            CHECK(output.flush({io, 1, nullptr}, backlog) == static_cast<ssize_t>(all.size()));
            CHECK(backlog.size() == all.size() - room);
            io.room = 1'000'000;
            CHECK(flush_backlog({io, 1, nullptr}, backlog) == 0);
            CHECK(io.got == all);
        }
    }
}

TEST_CASE_FIXTURE(Fixture, "more pieces than fit lose nothing") {
    std::string all;
    const std::string bytes = "abcdefghij";
    for (int i = 0; i < 200; ++i) {  // no two of them touch
        const auto at = static_cast<size_t>(i % 5 * 2);
        output.append(as_bytes(bytes).subspan(at, 1));
        all += bytes[at];
    }
    CHECK(output.flush({io, 1, nullptr}, backlog) == 200);
    CHECK(io.got == all);
}

TEST_CASE_FIXTURE(Fixture, "a broken connection forgets what was gathered") {
    io.error = EPIPE;
    output.append_copy("lost");
    CHECK(output.flush({io, 1, nullptr}, backlog) == -EPIPE);
    CHECK(output.empty());
    CHECK(backlog.empty());
}

}  // namespace weir::output_test
