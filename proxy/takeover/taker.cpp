#include "proxy/takeover/taker.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "protocol/message/backend.h"
#include "protocol/message/startup.h"
#include "protocol/message/writer.h"
#include "proxy/runtime/address.h"
#include "proxy/takeover/fields.h"
#include "proxy/takeover/format.h"
#include "proxy/takeover/world_wire.h"

namespace weir {

namespace {

constexpr Duration kTakerPatience = std::chrono::seconds(30);

Instant in(Duration time) {
    return SystemClock().now() + time;
}

tl::unexpected<Error> error_of(const HandoverChannel::Frame& frame) {
    const ErrorView error = view_error(as_bytes(std::string_view(frame.body)));
    return fail(std::string(error.sqlstate), std::string(error.message));
}

}  // namespace

Result<std::unique_ptr<Taker>> Taker::connect(const std::string& path) {
    const Result<Address> address = Address::from_unix(path);
    if (!address) return tl::unexpected<Error>(address.error());
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ::connect(fd, address->data(), address->size()) < 0) {
        const std::string why = std::strerror(errno);
        if (fd >= 0) ::close(fd);
        return fail("08006", "cannot connect to " + path + ": " + why);
    }
    std::unique_ptr<Taker> taker(new Taker(fd));
    taker->channel_->set_deadline(in(kTakerPatience));
    Status asked = taker->log_in();
    if (asked) asked = taker->ask();
    if (!asked) return tl::unexpected<Error>(asked.error());
    return taker;
}

// As user `pgbouncer`, which is for the system user that the process runs as.
Status Taker::log_in() {
    const std::string startup =
        make_startup_message({{"user", "pgbouncer"}, {"database", "pgbouncer"}});
    if (Status sent = channel_->send_raw(startup); !sent) return sent;
    while (true) {
        const Result<HandoverChannel::Frame> message = channel_->receive_message();
        if (!message) return tl::unexpected<Error>(message.error());
        switch (static_cast<BackendTag>(message->tag)) {
            case BackendTag::ErrorResponse: return error_of(*message);
            case BackendTag::ReadyForQuery: return {};
            case BackendTag::Authentication:
                // Who is asked for a password is not the user that the process runs as.
                if (message->body != std::string_view("\0\0\0\0", 4)) {
                    return fail("28000", "it runs as another system user: -R is for its own");
                }
                break;
            default: break;
        }
    }
}

Status Taker::ask() {
    std::string query;
    write_query(query, "TAKEOVER " + std::to_string(kTakeoverFormat));
    if (Status sent = channel_->send_raw(query); !sent) return sent;
    const Result<HandoverChannel::Frame> answer = channel_->receive_message();
    if (!answer) return tl::unexpected<Error>(answer.error());
    if (static_cast<HandoverTag>(answer->tag) == HandoverTag::Hello) return {};
    if (static_cast<BackendTag>(answer->tag) == BackendTag::ErrorResponse) return error_of(*answer);
    return fail("08P01", "it does not know how to be taken over");
}

Result<HandedWorld> Taker::receive() {
    channel_->set_deadline(in(kTakerPatience));
    Status begun = channel_->send(HandoverTag::Begin);
    if (begun) begun = channel_->flush();
    if (!begun) return tl::unexpected<Error>(begun.error());
    return receive_world(*channel_);
}

Status Taker::commit(const std::string& pidfile) {
    channel_->set_deadline(in(kTakerPatience));
    Status ready = channel_->send(HandoverTag::Ready, pidfile);
    if (ready) ready = channel_->flush();
    if (!ready) return ready;
    const Result<HandoverChannel::Frame> answer = channel_->receive();
    if (!answer) return tl::unexpected<Error>(answer.error());
    if (static_cast<HandoverTag>(answer->tag) != HandoverTag::Go)
        return fail("08P01", "unexpected answer from the process that is to be taken over");
    channel_->set_deadline({});
    return {};
}

}  // namespace weir
