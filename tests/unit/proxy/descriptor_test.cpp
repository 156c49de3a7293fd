// Goal: DescriptorQueue passes each descriptor with its bytes, however little the socket takes.
// Method: a pair of Unix sockets with small buffers.
#include "proxy/net/descriptor.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <string>

namespace weir::descriptor_test {
namespace {

struct Pair {
    Pair() {
        REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
        const int bytes = 4096;
        setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    }
    ~Pair() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    int ends[2] = {-1, -1};
};

// What one read gives, and the descriptor that came with it.
struct Read {
    std::string bytes;
    int descriptor = -1;
};

Read read_once(int socket) {
    Read out;
    char buffer[65536];
    iovec piece{buffer, sizeof buffer};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t n = recvmsg(socket, &message, 0);
    if (n <= 0) return out;
    out.bytes.assign(buffer, static_cast<size_t>(n));
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message)) {
        std::memcpy(&out.descriptor, CMSG_DATA(header), sizeof out.descriptor);
    }
    return out;
}

std::shared_ptr<const Descriptor> reading_end_of_pipe_with(char letter) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    REQUIRE(::write(ends[1], &letter, 1) == 1);
    ::close(ends[1]);
    return std::make_shared<const Descriptor>(ends[0]);
}

TEST_CASE("descriptors go with their bytes, also when the socket is full again and again") {
    Pair pair;
    ByteQueue outbox;
    DescriptorQueue queue;
    std::string all = "before";
    outbox.append(as_bytes(all));
    std::vector<AttachedDescriptor> rows;
    std::string more;
    std::map<char, size_t> starts;
    for (char letter = 'a'; letter <= 'z'; ++letter) {
        rows.push_back({more.size(), reading_end_of_pipe_with(letter)});
        starts[letter] = all.size() + more.size();
        more += std::string(700, letter);
    }
    queue.add(outbox.size(), std::move(rows));
    outbox.append(as_bytes(more));
    all += more;

    // One read may have plain bytes in front, and ends with what a descriptor came with.
    std::string received;
    std::string passed;
    for (int rounds = 0; received.size() < all.size(); ++rounds) {
        REQUIRE(rounds < 1000);
        REQUIRE(queue.flush(pair.ends[0], outbox) == 0);
        const Read read = read_once(pair.ends[1]);
        if (read.descriptor >= 0) {
            char letter = 0;
            REQUIRE(::read(read.descriptor, &letter, 1) == 1);
            passed += letter;
            ::close(read.descriptor);
            CHECK(starts.at(letter) >= received.size());
            CHECK(starts.at(letter) < received.size() + read.bytes.size());
        }
        received += read.bytes;
    }
    CHECK(received == all);
    CHECK(passed == "abcdefghijklmnopqrstuvwxyz");
    CHECK(queue.empty());
    CHECK(outbox.empty());
}

TEST_CASE("a broken socket is an error") {
    Pair pair;
    ByteQueue outbox;
    outbox.append(as_bytes(std::string_view("x")));
    DescriptorQueue queue;
    queue.add(0, {{0, reading_end_of_pipe_with('x')}});
    ::close(pair.ends[1]);
    pair.ends[1] = -1;
    CHECK(queue.flush(pair.ends[0], outbox) == -EPIPE);
}

TEST_CASE("a duplicate is closed with its last owner, and does not survive exec") {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    auto descriptor = Descriptor::duplicate(ends[0]);
    REQUIRE(descriptor != nullptr);
    const int fd = descriptor->fd();
    CHECK(fd != ends[0]);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    auto other = descriptor;
    descriptor.reset();
    CHECK(fcntl(fd, F_GETFD) >= 0);
    other.reset();
    CHECK(fcntl(fd, F_GETFD) < 0);
    CHECK(Descriptor::duplicate(-1) == nullptr);
    ::close(ends[0]);
    ::close(ends[1]);
}

}  // namespace
}  // namespace weir::descriptor_test
