// Both ends of a stream over a socket pair in one thread: no network, no waiting.
#include "protocol/tls/tls_stream.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "tests/support/certificates.h"

namespace weir::tls_stream_test {
using test::Identity;

namespace {

struct Sockets {
    Sockets() { REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd.data()) == 0); }
    ~Sockets() {
        for (const int one : fd)
            ::close(one);
    }
    std::array<int, 2> fd{};
};

const Identity& authority() {
    static const Identity made({.common_name = "Weir test CA", .is_authority = true});
    return made;
}

TlsFile file(std::string_view content) {
    return {"option", "x.pem", SecretString(content)};
}

TlsContextPtr context_of(const TlsSettings& settings) {
    auto made = TlsContext::make(settings);
    REQUIRE_MESSAGE(made, made.error().message);
    return *made;
}

TlsSettings accepting(const Identity& identity) {
    TlsSettings settings;
    settings.certificate = file(identity.certificate_pem());
    settings.key = file(identity.key_pem());
    return settings;
}

TlsSettings connecting() {
    TlsSettings settings;
    settings.side = TlsSide::Connect;
    settings.prefix = "server_tls";
    return settings;
}

const TlsContextPtr& plain_acceptor() {
    static const Identity identity({.common_name = "db.example.org"}, &authority());
    static const TlsContextPtr made = context_of(accepting(identity));
    return made;
}

// Two ends, the first accepting.
struct Pair {
    Pair(const TlsContextPtr& server_context, const TlsContextPtr& client_context,
         const TlsStream::Target& target = {}, bool is_direct = false)
        : server(TlsStream::accept(server_context, sockets.fd[0], is_direct)),
          client(TlsStream::connect(client_context, sockets.fd[1], target)) {}

    // Until neither end gets any further; true when both are done.
    bool shake_hands() {
        for (int i = 0; i < 20; ++i) {
            const auto mine = client->handshake();
            const auto theirs = server->handshake();
            if (mine == TlsStream::Progress::Failed) break;
            if (theirs == TlsStream::Progress::Failed) break;
            if (mine == TlsStream::Progress::Done && theirs == TlsStream::Progress::Done)
                return true;
        }
        // What the other one has to say of it.
        (void)client->handshake();
        (void)server->handshake();
        return false;
    }

    Sockets sockets;
    std::unique_ptr<TlsStream> server;
    std::unique_ptr<TlsStream> client;
};

std::string read_all(TlsStream& stream, size_t step = 4096) {
    std::string out;
    std::vector<uint8_t> into(step);
    while (true) {
        const ssize_t n = stream.read(into);
        if (n <= 0) return out;
        out.append(reinterpret_cast<const char*>(into.data()), static_cast<size_t>(n));
    }
}

}  // namespace

TEST_CASE("both ends see what the other wrote, and end together") {
    Pair pair(plain_acceptor(), context_of(connecting()));
    CHECK(pair.server->write(as_bytes(std::string_view("early"))) == -EPIPE);
    REQUIRE(pair.shake_hands());
    CHECK(pair.client->description() == "TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=X25519");
    CHECK(pair.server->description() == pair.client->description());
    CHECK_FALSE(pair.server->names());
    REQUIRE(pair.client->names());
    CHECK(pair.client->names()->common_name == "db.example.org");
    CHECK(pair.client->end_point_hash() == pair.server->end_point_hash());
    CHECK(pair.client->end_point_hash()->size() == 32);
    CHECK(pair.client->write(as_bytes(std::string_view("hello"))) == 5);
    CHECK(read_all(*pair.server) == "hello");
    std::array<uint8_t, 8> into{};
    CHECK(pair.server->read(into) == -EAGAIN);
    CHECK_FALSE(pair.server->has_unread());
    CHECK(pair.server->write(as_bytes(std::string_view("bye"))) == 3);
    pair.server->end();
    CHECK(pair.client->read(into) == 3);
    CHECK(pair.client->has_unread());  // the end: no poll would tell of it
    CHECK(pair.client->read(into) == 0);
    CHECK_FALSE(pair.client->has_unread());
}

TEST_CASE("an end of the stream without a farewell is an end, too") {
    Pair pair(plain_acceptor(), context_of(connecting()));
    REQUIRE(pair.shake_hands());
    CHECK(pair.client->write(as_bytes(std::string_view("x"))) == 1);
    ::shutdown(pair.sockets.fd[1], SHUT_RDWR);
    std::array<uint8_t, 8> into{};
    CHECK(pair.server->read(into) == 1);
    CHECK(pair.server->read(into) == 0);
}

TEST_CASE("what does not fit waits in the stream, which says so") {
    Pair pair(plain_acceptor(), context_of(connecting()));
    REQUIRE(pair.shake_hands());
    for (int i = 0; i < 3; ++i)
        REQUIRE(pair.client->write(as_bytes(std::string(1000, 'a'))) == 1000);
    std::array<uint8_t, 1000> into{};
    CHECK(pair.server->read(into) == 1000);
    CHECK(pair.server->has_unread());
    CHECK(pair.server->read(into) == 1000);
    CHECK(pair.server->has_unread());
    CHECK(pair.server->read(into) == 1000);
    CHECK_FALSE(pair.server->has_unread());
    CHECK(pair.server->read(into) == -EAGAIN);
}

TEST_CASE("a full socket takes up where it stopped, wherever the bytes are by then") {
    Pair pair(plain_acceptor(), context_of(connecting()));
    REQUIRE(pair.shake_hands());
    std::string sent;
    for (int i = 0; sent.size() < 2'000'000; ++i)
        sent += std::to_string(i) + ",";
    std::string got;
    std::string rest = sent;
    int stops = 0;
    while (!rest.empty()) {
        const ssize_t n = pair.server->write(as_bytes(rest));
        if (n == -EAGAIN) {
            ++stops;
            got += read_all(*pair.client, 3000);
            rest = std::string(rest);  // elsewhere
            continue;
        }
        REQUIRE(n > 0);
        rest.erase(0, static_cast<size_t>(n));
    }
    got += read_all(*pair.client);
    CHECK(stops > 0);
    CHECK(got == sent);
}

TEST_CASE("a broken record breaks the stream, after what came before it") {
    Pair pair(plain_acceptor(), context_of(connecting()));
    REQUIRE(pair.shake_hands());
    REQUIRE(pair.client->write(as_bytes(std::string_view("good"))) == 4);
    const std::string_view junk(
        "\x17\x03\x03\x00\x20"
        "garbage garbage garbage garbage ",
        37);
    REQUIRE(::send(pair.sockets.fd[1], junk.data(), junk.size(), 0) == 37);
    std::array<uint8_t, 64> into{};
    CHECK(pair.server->read(into) == 4);
    CHECK(pair.server->has_unread());
    CHECK(pair.server->read(into) == -EPROTO);
    CHECK(pair.server->error().find("mac") != std::string::npos);
    CHECK(pair.server->read(into) == -EPROTO);
    CHECK(pair.server->write(as_bytes(std::string_view("x"))) == -EPIPE);
    CHECK(ERR_peek_error() == 0);
}

TEST_CASE("plain text is no handshake") {
    Pair pair(plain_acceptor(), context_of(connecting()));
    const std::string_view startup("\0\0\0\x08\x04\xd2\x16\x2f and so on", 18);
    REQUIRE(::send(pair.sockets.fd[1], startup.data(), startup.size(), 0) == 18);
    std::array<uint8_t, 64> into{};
    CHECK(pair.server->read(into) == -EPROTO);
    CHECK_FALSE(pair.server->is_established());
    CHECK(pair.server->error() == "wrong version number");
}

TEST_CASE("versions and ciphers are those that both ends allow") {
    TlsSettings settings = connecting();
    settings.protocols = "tlsv1.2";
    settings.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
    Pair old(plain_acceptor(), context_of(settings));
    REQUIRE(old.shake_hands());
    CHECK(old.server->description() == "TLSv1.2/ECDHE-ECDSA-AES128-GCM-SHA256/ECDH=X25519");

    static const Identity identity({.common_name = "db"});
    TlsSettings modern = accepting(identity);
    modern.protocols = "tlsv1.3";
    Pair apart(context_of(modern), context_of(settings));
    CHECK_FALSE(apart.shake_hands());
    CHECK(apart.server->error() == "unsupported protocol");

    modern.ecdhcurve = "prime256v1";
    Pair curve(context_of(modern), context_of(connecting()));
    REQUIRE(curve.shake_hands());
    CHECK(curve.client->description() == "TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=prime256v1");
    modern.ecdhcurve = "none";
    Pair finite(context_of(modern), context_of(connecting()));
    REQUIRE(finite.shake_hands());
    CHECK(finite.client->description() == "TLSv1.3/TLS_AES_256_GCM_SHA384/DH=2048");
}

TEST_CASE("a server's certificate is verified as far as asked") {
    TlsSettings settings = connecting();
    settings.verify = TlsVerify::Authority;
    settings.authorities = file(authority().certificate_pem());
    Pair known(plain_acceptor(), context_of(settings), {.host = "whatever"});
    CHECK(known.shake_hands());

    settings.verify = TlsVerify::Name;
    Pair named(plain_acceptor(), context_of(settings), {.host = "db.example.org"});
    CHECK(named.shake_hands());
    Pair misnamed(plain_acceptor(), context_of(settings), {.host = "other.example.org"});
    CHECK_FALSE(misnamed.shake_hands());
    CHECK(misnamed.client->error() ==
          "server certificate for \"db.example.org\" does not match host name "
          "\"other.example.org\"");
    CHECK_FALSE(misnamed.client->is_established());

    static const Identity stranger({.common_name = "db.example.org"});
    Pair unknown(context_of(accepting(stranger)), context_of(settings), {.host = "db.example.org"});
    CHECK_FALSE(unknown.shake_hands());
    CHECK(unknown.client->error() == "certificate verify failed: self-signed certificate");

    static const Identity old({.common_name = "db.example.org", .is_expired = true}, &authority());
    Pair expired(context_of(accepting(old)), context_of(settings), {.host = "db.example.org"});
    CHECK_FALSE(expired.shake_hands());
    CHECK(expired.client->error() == "certificate verify failed: certificate has expired");
}

TEST_CASE("a client's certificate is asked for when it is to be verified, and revocation counts") {
    static const Identity server({.common_name = "db"}, &authority());
    static const Identity good({.common_name = "app"}, &authority());
    static const Identity bad({.common_name = "gone"}, &authority());
    static const Identity stranger({.common_name = "app"});
    TlsSettings settings = accepting(server);
    settings.verify = TlsVerify::Authority;
    settings.authorities =
        file(authority().certificate_pem() + authority().revocation_list_pem({&bad}));
    const TlsContextPtr strict = context_of(settings);
    const auto client = [](const Identity& identity) {
        TlsSettings out = connecting();
        out.certificate = file(identity.certificate_pem());
        out.key = file(identity.key_pem());
        return context_of(out);
    };
    Pair right(strict, client(good));
    REQUIRE(right.shake_hands());
    REQUIRE(right.server->names());
    CHECK(right.server->names()->common_name == "app");

    Pair none(strict, context_of(connecting()));
    CHECK_FALSE(none.shake_hands());
    CHECK(none.server->error() == "peer did not return a certificate");
    Pair revoked(strict, client(bad));
    CHECK_FALSE(revoked.shake_hands());
    CHECK(revoked.server->error() == "certificate verify failed: certificate revoked");
    Pair unknown(strict, client(stranger));
    CHECK_FALSE(unknown.shake_hands());
    CHECK(unknown.server->error().starts_with("certificate verify failed"));
}

TEST_CASE("direct TLS has to say what it is for") {
    Pair pair(plain_acceptor(), context_of(connecting()), {.is_direct = true}, true);
    CHECK(pair.shake_hands());

    // A client that speaks no ALPN at all.
    const SslContextPtr bare(SSL_CTX_new(TLS_client_method()));
    Sockets sockets;
    const auto server = TlsStream::accept(plain_acceptor(), sockets.fd[0], true);
    const SslPtr client(SSL_new(bare.get()));
    REQUIRE(SSL_set_fd(client.get(), sockets.fd[1]) == 1);
    auto progress = TlsStream::Progress::Wait;
    for (int i = 0; i < 10 && progress == TlsStream::Progress::Wait; ++i) {
        (void)SSL_connect(client.get());
        progress = server->handshake();
    }
    ERR_clear_error();
    CHECK(progress == TlsStream::Progress::Failed);
    CHECK(server->error().find("ALPN") != std::string::npos);

    // One that means something else is turned away whatever way it came.
    Sockets others;
    const auto second = TlsStream::accept(plain_acceptor(), others.fd[0], false);
    const SslPtr web(SSL_new(bare.get()));
    REQUIRE(SSL_set_fd(web.get(), others.fd[1]) == 1);
    SSL_set_alpn_protos(web.get(), reinterpret_cast<const unsigned char*>("\x02h2"), 3);
    (void)SSL_connect(web.get());
    ERR_clear_error();
    CHECK(second->handshake() == TlsStream::Progress::Failed);
    CHECK(second->error() == "no application protocol");
}

TEST_CASE("renegotiation is refused") {
    TlsSettings settings = connecting();
    settings.protocols = "tlsv1.2";
    const SslContextPtr bare(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_max_proto_version(bare.get(), TLS1_2_VERSION);
    Sockets sockets;
    const auto server = TlsStream::accept(plain_acceptor(), sockets.fd[0], false);
    const SslPtr client(SSL_new(bare.get()));
    REQUIRE(SSL_set_fd(client.get(), sockets.fd[1]) == 1);
    for (int i = 0; i < 10 && !server->is_established(); ++i) {
        (void)SSL_connect(client.get());
        (void)server->handshake();
    }
    REQUIRE(server->is_established());
    (void)SSL_connect(client.get());
    REQUIRE(SSL_renegotiate(client.get()) == 1);
    (void)SSL_do_handshake(client.get());
    std::array<uint8_t, 64> into{};
    CHECK(server->read(into) == -EAGAIN);  // answered with a warning
    CHECK(SSL_do_handshake(client.get()) != 1);
    CHECK(SSL_get_error(client.get(), -1) == SSL_ERROR_SSL);
    ERR_clear_error();
}

TEST_CASE("a change of keys asked for by the other side is answered") {
    const SslContextPtr bare(SSL_CTX_new(TLS_client_method()));
    Sockets sockets;
    const auto server = TlsStream::accept(plain_acceptor(), sockets.fd[0], false);
    const SslPtr client(SSL_new(bare.get()));
    REQUIRE(SSL_set_fd(client.get(), sockets.fd[1]) == 1);
    for (int i = 0; i < 10 && !server->is_established(); ++i) {
        (void)SSL_connect(client.get());
        (void)server->handshake();
    }
    REQUIRE(server->is_established());
    // Nothing more goes out of the server, so that its answer has to wait.
    const std::string filler(16384, 'f');
    size_t filled = 0;
    for (ssize_t n = 0; (n = server->write(as_bytes(filler))) > 0;)
        filled += static_cast<size_t>(n);
    REQUIRE(SSL_key_update(client.get(), SSL_KEY_UPDATE_REQUESTED) == 1);
    REQUIRE(SSL_write(client.get(), "after", 5) == 5);
    std::array<uint8_t, 64> into{};
    const ssize_t blocked = server->read(into);
    const bool has_waited = blocked == -EAGAIN && server->wants_to_write();
    std::vector<char> sink(65536);
    while (SSL_read(client.get(), sink.data(), static_cast<int>(sink.size())) > 0) {
    }
    const ssize_t after = has_waited ? server->read(into) : blocked;
    CHECK(after == 5);
    CHECK_FALSE(server->wants_to_write());
    CHECK(filled > 0);
    ERR_clear_error();
}

TEST_CASE("a session resumes another connection") {
    // Our own acceptor gives none out; one that does stands for a server.
    static const Identity identity({.common_name = "db"});
    const SslContextPtr giving(SSL_CTX_new(TLS_server_method()));
    REQUIRE(SSL_CTX_use_certificate(giving.get(), const_cast<X509*>(&identity.certificate())) == 1);
    const BioPtr key_text(BIO_new(BIO_s_mem()));
    const std::string pem = identity.key_pem();
    BIO_write(key_text.get(), pem.data(), static_cast<int>(pem.size()));
    const KeyPtr key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
    REQUIRE(SSL_CTX_use_PrivateKey(giving.get(), key.get()) == 1);
    const TlsContextPtr context = context_of(connecting());
    SslSessionPtr session;
    for (const bool is_second : {false, true}) {
        Sockets sockets;
        const SslPtr server(SSL_new(giving.get()));
        REQUIRE(SSL_set_fd(server.get(), sockets.fd[0]) == 1);
        const auto client = TlsStream::connect(context, sockets.fd[1], {.session = session.get()});
        for (int i = 0; i < 10; ++i) {
            (void)client->handshake();
            (void)SSL_accept(server.get());
        }
        REQUIRE(client->is_established());
        std::array<uint8_t, 8> into{};
        CHECK(client->read(into) == -EAGAIN);  // tickets are no bytes
        CHECK(client->was_resumed() == is_second);
        session = client->take_session();
        CHECK(session != nullptr);
    }
    ERR_clear_error();
    Pair none(plain_acceptor(), context);
    REQUIRE(none.shake_hands());
    std::array<uint8_t, 8> into{};
    CHECK(none.client->read(into) == -EAGAIN);
    CHECK(none.client->take_session() == nullptr);
}

}  // namespace weir::tls_stream_test
