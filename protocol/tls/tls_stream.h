// TlsStream: TLS on one connected, non-blocking socket, which stays the caller's: OpenSSL reads and
// writes the descriptor itself, so that the kernel can take over the records where it knows how to.
// A connection owns at most one, and takes it along when it changes threads.
//
// A poll tells of bytes in the socket, not of those that the stream has read already: read() goes
// on until it has nothing more or `into` is full, and has_unread() tells which. Without
// renegotiation a write never waits for bytes to read; a read may have to wait for room to write
// (an answer to a change of keys): wants_to_write().
// Thread: its owner's.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "protocol/base/bytes.h"
#include "protocol/tls/tls_context.h"
#include "protocol/tls/tls_names.h"

namespace weir {

class TlsStream {
  public:
    struct Target {
        std::string host = {};   // as the configuration names it; what a certificate is checked for
        bool is_direct = false;  // no SSLRequest before it: the server must know ALPN
        SSL_SESSION* session = nullptr;  // one to resume
    };

    // The accepting end, on a socket where the client has been told to begin. Direct: it began by
    // itself, and must say by ALPN that it means PostgreSQL.
    static std::unique_ptr<TlsStream> accept(TlsContextPtr context, int fd, bool is_direct);
    static std::unique_ptr<TlsStream> connect(TlsContextPtr context, int fd, const Target& target);
    ~TlsStream();
    TlsStream(const TlsStream&) = delete;
    TlsStream& operator=(const TlsStream&) = delete;

    enum class Progress : uint8_t { Done, Wait, Failed };
    // Goes on with the handshake. Wait: until the socket is readable, or writable when
    // wants_to_write(). Done: the other side is whom the context and the target ask for.
    Progress handshake();
    [[nodiscard]] bool is_established() const { return is_established_; }

    // Bytes received, as Io::receive: 0 = end of the stream, -EAGAIN = nothing there, -EPROTO = the
    // stream is broken, see error(). Completes the handshake first.
    ssize_t read(std::span<uint8_t> into);
    // Bytes taken, maybe fewer than given; -EAGAIN: none. What was not taken must be offered again,
    // from its beginning, before anything else. Not before the handshake is done.
    ssize_t write(ByteView from);
    // The last read left something behind that no poll will tell of: bytes, the end, an error.
    [[nodiscard]] bool has_unread() const { return has_unread_; }
    [[nodiscard]] bool wants_to_write() const { return wants_to_write_; }
    // Tells the other side that no more will be sent, if that is possible at once.
    void end();

    // It failed because the connection ended, which says nothing of TLS.
    [[nodiscard]] bool is_lost() const { return is_lost_; }
    // Why it failed, in words.
    [[nodiscard]] std::string error() const;
    // "TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=X25519".
    [[nodiscard]] std::string description() const;
    // The other side's certificate; none when it showed none.
    [[nodiscard]] std::optional<CertificateNames> names() const;
    // For tls-server-end-point, of the server's certificate, whichever side we are.
    [[nodiscard]] std::optional<std::string> end_point_hash() const;

    // The session for another connection to the same server, if it has given one. Later ones are
    // not kept.
    SslSessionPtr take_session();
    [[nodiscard]] bool was_resumed() const;
    [[nodiscard]] const TlsContextPtr& context() const { return context_; }

  private:
    TlsStream(TlsContextPtr context, SslPtr ssl, bool is_direct);
    friend class TlsContext;  // which tells OpenSSL of on_session
    static int on_session(SSL* ssl, SSL_SESSION* session);
    Progress check_peer();
    // What the last call's `result` means: 0 end, -EAGAIN, -EPROTO.
    ssize_t look_at(int result);
    Progress fail_with(std::string why);

    const TlsContextPtr context_;
    const SslPtr ssl_;
    const bool is_direct_;
    bool is_established_ = false;
    bool wants_to_write_ = false;
    bool has_unread_ = false;
    bool is_broken_ = false;
    bool is_lost_ = false;
    bool keeps_session_ = false;
    std::unique_ptr<std::string> error_;
    SslSessionPtr session_;
    std::unique_ptr<std::string> host_;
};

}  // namespace weir
