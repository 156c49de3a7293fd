// Goal: frames and descriptors arrive as they were sent, however many; an end of the stream, a
// deadline and nonsense are errors. Method: a pair of sockets, one thread at each end.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <thread>

#include "proxy/takeover/channel.h"
#include "proxy/takeover/world_wire.h"

namespace weir::takeover_channel_test {

namespace {

struct Pair {
    Pair() {
        int fds[2];
        REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        raw = dup(fds[0]);
        left = std::make_unique<HandoverChannel>(fds[0]);
        right = std::make_unique<HandoverChannel>(fds[1]);
        const Instant deadline = SystemClock().now() + std::chrono::seconds(30);
        left->set_deadline(deadline);
        right->set_deadline(deadline);
    }
    ~Pair() {
        if (raw >= 0) close(raw);
    }
    void write_raw(std::string_view bytes) const {
        REQUIRE(write(raw, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    }

    int raw = -1;
    std::unique_ptr<HandoverChannel> left, right;
};

ino_t inode(int fd) {
    struct stat about {};
    return fstat(fd, &about) == 0 ? about.st_ino : 0;
}

int make_file() {
    return memfd_create("takeover", MFD_CLOEXEC);
}

}  // namespace

TEST_CASE("channel: frames come in order, with their descriptors") {
    Pair pair;
    std::vector<int> fds;
    for (int i = 0; i < 300; ++i)
        fds.push_back(make_file());
    std::thread sender([&] {
        for (int i = 0; i < 300; ++i) {
            CHECK(pair.left->send(HandoverTag::Session,
                                  std::string(static_cast<size_t>(i * 40), 'x'),
                                  fds[static_cast<size_t>(i)]));
            CHECK(pair.left->send(HandoverTag::Statement, std::to_string(i)));
        }
        CHECK(pair.left->flush());
    });
    for (int i = 0; i < 300; ++i) {
        const auto session = pair.right->receive();
        REQUIRE(session);
        CHECK(session->tag == 'c');
        CHECK(session->body.size() == static_cast<size_t>(i * 40));
        REQUIRE(session->fd >= 0);
        CHECK(inode(session->fd) == inode(fds[static_cast<size_t>(i)]));
        CHECK((fcntl(session->fd, F_GETFD) & FD_CLOEXEC) != 0);
        close(session->fd);
        const auto statement = pair.right->receive();
        REQUIRE(statement);
        CHECK(statement->body == std::to_string(i));
        CHECK(statement->fd == -1);
    }
    sender.join();
    for (const int fd : fds)
        close(fd);
}

TEST_CASE("channel: large frames") {
    Pair pair;
    const std::string large(20'000'000, 'y');
    std::thread sender([&] {
        CHECK(pair.left->send(HandoverTag::Statement, large));
        CHECK(pair.left->flush());
    });
    const auto frame = pair.right->receive();
    REQUIRE(frame);
    CHECK(frame->body == large);
    sender.join();
}

TEST_CASE("channel: one thread receives while another one sends, until it is told to stop") {
    Pair pair;
    const int stop = eventfd(0, EFD_CLOEXEC);
    std::vector<std::string> got;
    std::thread receiver([&] {
        while (pair.right->await(stop)) {
            const auto frame = pair.right->receive();
            if (!frame) return;
            got.push_back(frame->body);
        }
    });
    CHECK(pair.left->send(HandoverTag::Late, "a"));
    CHECK(pair.left->send(HandoverTag::Late, "b"));
    CHECK(pair.left->flush());
    const Instant soon = SystemClock().now() + std::chrono::seconds(20);
    CHECK(pair.right->send(HandoverTag::Visitor, "c"));
    CHECK(pair.right->flush_by(soon));
    const auto visitor = pair.left->receive();
    REQUIRE(visitor);
    CHECK(visitor->body == "c");
    // What has come is received before the end of it.
    CHECK(pair.left->send(HandoverTag::Late, "d"));
    CHECK(pair.left->flush());
    CHECK(eventfd_write(stop, 1) == 0);
    receiver.join();
    close(stop);
    CHECK(got == std::vector<std::string>{"a", "b", "d"});
    // The conversation goes on with another one of our ends.
    HandoverChannel next(pair.right->release());
    CHECK(pair.left->send(HandoverTag::Late, "e"));
    CHECK(pair.left->flush());
    next.set_deadline(soon);
    const auto last = next.receive();
    REQUIRE(last);
    CHECK(last->body == "e");
}

TEST_CASE("channel: errors") {
    Pair pair;
    SUBCASE("the other end is gone") {
        close(std::exchange(pair.raw, -1));
        pair.left.reset();
        CHECK_FALSE(pair.right->receive());
        CHECK(pair.right->send(HandoverTag::Go));
        CHECK_FALSE(pair.right->flush());
    }
    SUBCASE("in the middle of a frame") {
        pair.write_raw(std::string_view("c\0\0\0\x20", 5));
        close(std::exchange(pair.raw, -1));
        pair.left.reset();
        CHECK_FALSE(pair.right->receive());
    }
    SUBCASE("nothing comes in time") {
        pair.right->set_deadline(SystemClock().now() + std::chrono::milliseconds(20));
        CHECK_FALSE(pair.right->receive());
    }
    SUBCASE("nobody takes what is sent") {
        pair.right->set_deadline(SystemClock().now() + std::chrono::milliseconds(20));
        Status sent;
        for (int i = 0; sent && i < 1000; ++i)
            sent = pair.right->send(HandoverTag::Statement, std::string(100'000, 'z'));
        CHECK_FALSE(sent);
    }
    SUBCASE("interrupted") {
        std::thread other([&] { pair.right->interrupt(); });
        CHECK_FALSE(pair.right->receive());
        other.join();
    }
    SUBCASE("a length that cannot be") {
        pair.write_raw(std::string_view("c\0\0\0\x01\0", 6));
        CHECK_FALSE(pair.right->receive());
    }
    SUBCASE("a descriptor that did not come") {
        pair.write_raw(std::string_view("c\0\0\0\x05\x01", 6));
        CHECK_FALSE(pair.right->receive());
    }
}

TEST_CASE("channel: a whole world, and records that are none") {
    Pair pair;
    const int fd = make_file();
    HandedWorld world;
    world.process.last_id = 42;
    world.process.databases = {{"app", true, false}};
    world.listeners.push_back({fd});
    world.welcomes.push_back({{{"server_version", "15.1"}}});
    HandedGroup& group = world.groups.emplace_back();
    group.database = "app";
    group.welcomes = {1};
    world.statements.push_back({"select 1", "UTC"});
    world.servers.emplace_back().fd = fd;
    world.sessions.emplace_back().fd = fd;
    world.cancels.emplace_back().fd = fd;
    SUBCASE("whole") {
        REQUIRE(send_world(*pair.left, world));
        const Result<HandedWorld> received = receive_world(*pair.right);
        REQUIRE(received);
        CHECK(received->process.last_id == 42);
        CHECK(received->process.databases[0].is_paused);
        CHECK(received->groups[0].welcomes == std::vector<HandedRef>{1});
        CHECK(received->statements[0].text_and_types == "select 1");
        CHECK(received->statements[0].settings == "UTC");
        for (const int copy : {received->listeners[0].fd, received->servers[0].fd,
                               received->sessions[0].fd, received->cancels[0].fd}) {
            CHECK(inode(copy) == inode(fd));
            close(copy);
        }
    }
    const auto is_refused = [&pair] {
        REQUIRE(pair.left->flush());
        const Result<HandedWorld> received = receive_world(*pair.right);
        REQUIRE_FALSE(received);
        CHECK(received.error().message ==
              "malformed record from the process that is to be taken over");
    };
    SUBCASE("a session without its descriptor") {
        REQUIRE(pair.left->send(HandoverTag::Session, ""));
        is_refused();
    }
    SUBCASE("a malformed record") {
        REQUIRE(pair.left->send(HandoverTag::Process, "nonsense"));
        is_refused();
    }
    SUBCASE("an unknown frame") {
        REQUIRE(pair.left->send(HandoverTag::Go));
        is_refused();
    }
    close(fd);
}

}  // namespace weir::takeover_channel_test
