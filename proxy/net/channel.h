// Channel: the way to the other side of a connection: its socket, and TLS when it is encrypted.
// Nobody reads or writes the socket of a connection but through it: what went past TLS would go out
// in the clear. A value, made when needed. Thread: that of the connection's owner.
#pragma once

#include <span>

#include "protocol/tls/tls_stream.h"
#include "proxy/runtime/io.h"

namespace weir {

struct Channel {
    Io& io;
    int fd;
    TlsStream* tls;  // null: plain

    // As Io's; -EPROTO and -EPIPE when TLS is broken.
    [[nodiscard]] ssize_t receive(std::span<uint8_t> into) const {
        if (tls == nullptr) [[likely]]
            return io.receive(fd, into);
        return tls->read(into);
    }
    // The beginning of `bytes`, at most one record of it when encrypted.
    [[nodiscard]] ssize_t send(ByteView bytes) const {
        if (tls != nullptr) [[unlikely]]
            return tls->write(bytes);
        const iovec piece{const_cast<uint8_t*>(bytes.data()), bytes.size()};
        return io.send(fd, {&piece, 1});
    }
    // What a receive has left in TLS, of which no event will tell.
    [[nodiscard]] bool has_unread() const { return tls != nullptr && tls->has_unread(); }
    // No more will be sent; the other side sees the end behind the last byte.
    void finish() const {
        if (tls != nullptr) tls->end();
        io.shutdown_send(fd);
    }
};

}  // namespace weir
