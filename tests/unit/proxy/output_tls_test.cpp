// What is gathered leaves in as few records as it fits into, over a socket pair in one thread.
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <vector>

#include "proxy/net/output.h"
#include "tests/support/certificates.h"
#include "tests/support/deaf_io.h"

namespace weir::output_tls_test {

namespace {

TlsContextPtr make_context(TlsSide side) {
    static const test::Identity identity({.common_name = "db"});
    TlsSettings settings;
    settings.side = side;
    settings.protocols = "tlsv1.3";
    if (side == TlsSide::Accept) {
        settings.certificate = {"cert", "c.pem", SecretString(identity.certificate_pem())};
        settings.key = {"key", "k.pem", SecretString(identity.key_pem())};
    }
    auto made = TlsContext::make(settings);
    REQUIRE(made);
    return *made;
}

// Plain sends would go past TLS: there must be none.
class NoIo final : public DeafIo {
  public:
    ssize_t receive(int, std::span<uint8_t>) override { return -EIO; }
    ssize_t peek(int, std::span<uint8_t>) override { return -EIO; }
    ssize_t send(int, std::span<const iovec>) override { return -EIO; }
};

struct Ends {
    Ends() {
        REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd.data()) == 0);
        server = TlsStream::accept(make_context(TlsSide::Accept), fd[0], false);
        client = TlsStream::connect(make_context(TlsSide::Connect), fd[1], {});
        for (int i = 0; i < 10; ++i) {
            (void)client->handshake();
            (void)server->handshake();
        }
        REQUIRE(server->is_established());
        REQUIRE(client->is_established());
    }
    ~Ends() {
        for (const int one : fd)
            ::close(one);
    }
    [[nodiscard]] Channel channel() { return {io, fd[0], server.get()}; }

    // The lengths of the records that are on the wire, which is emptied.
    std::vector<size_t> records() const {
        std::vector<uint8_t> wire(1'000'000);
        const ssize_t n = ::recv(fd[1], wire.data(), wire.size(), 0);
        std::vector<size_t> out;
        for (size_t at = 0; n > 0 && at + 5 <= static_cast<size_t>(n);) {
            out.push_back(load_be16(wire.data() + at + 3));
            at += 5 + out.back();
        }
        return out;
    }
    std::string read_all() const {
        std::string out;
        std::vector<uint8_t> into(100'000);
        for (ssize_t n = 0; (n = client->read(into)) > 0;)
            out.append(reinterpret_cast<const char*>(into.data()), static_cast<size_t>(n));
        return out;
    }

    NoIo io;
    std::array<int, 2> fd{};
    std::unique_ptr<TlsStream> server;
    std::unique_ptr<TlsStream> client;
};

constexpr size_t kAround = 17;  // the type and the tag that TLS 1.3 puts around what is sent

}  // namespace

TEST_CASE("small pieces are one record, and large ones are not copied into small ones") {
    Ends ends;
    Output output;
    ByteQueue backlog;
    const std::string a(100, 'a');
    const std::string b(20'000, 'b');
    output.append(as_bytes(a));
    output.append_copy("copied");
    output.append(as_bytes(a));
    CHECK(output.flush(ends.channel(), backlog) == 206);
    CHECK(ends.records() == std::vector<size_t>{206 + kAround});

    output.append(as_bytes(a));
    output.append(as_bytes(b));
    output.append_copy("end");
    CHECK(output.flush(ends.channel(), backlog) == 20'103);
    CHECK(ends.records() == std::vector<size_t>{16'384 + kAround, 20'103 - 16'384 + kAround});
    CHECK(backlog.empty());
}

TEST_CASE("what the socket does not take is kept, and comes out in order") {
    Ends ends;
    Output output;
    ByteQueue backlog;
    std::string all;
    std::string got;
    for (int round = 0; round < 40; ++round) {
        std::vector<std::string> pieces;
        for (size_t i = 0; i < 5; ++i)
            pieces.emplace_back(10 + i * 9'000, static_cast<char>('a' + (round + i) % 26));
        for (const std::string& piece : pieces) {
            output.append(as_bytes(piece));
            all += piece;
        }
        REQUIRE(output.flush(ends.channel(), backlog) > 0);
        if (round % 5 == 4) {
            got += ends.read_all();
            REQUIRE(flush_backlog(ends.channel(), backlog) == 0);
        }
    }
    while (!backlog.empty()) {
        got += ends.read_all();
        REQUIRE(flush_backlog(ends.channel(), backlog) == 0);
    }
    got += ends.read_all();
    CHECK(got == all);
}

TEST_CASE("a broken stream says so") {
    std::signal(SIGPIPE, SIG_IGN);  // as the process does
    Ends ends;
    ::close(ends.fd[1]);
    ends.fd[1] = ::dup(ends.fd[0]);
    Output output;
    ByteQueue backlog;
    output.append_copy("lost");
    CHECK(output.flush(ends.channel(), backlog) < 0);
    CHECK(output.empty());
}

}  // namespace weir::output_tls_test
