#include "proxy/takeover/channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "protocol/base/bytes.h"

namespace weir {

namespace {

constexpr size_t kFdsPerMessage = 253;  // SCM_MAX_FD of the kernel
constexpr size_t kHeaderBytes = 5;

tl::unexpected<Error> broken(int error) {
    return fail("08006", std::string("the other process does not answer: ") + std::strerror(error));
}

}  // namespace

HandoverChannel::HandoverChannel(int fd) : fd_(fd) {}

HandoverChannel::~HandoverChannel() {
    for (const int fd : in_fds_)
        ::close(fd);
    if (fd_ >= 0) ::close(fd_);
}

int HandoverChannel::release() {
    return std::exchange(fd_, -1);
}

bool HandoverChannel::await(int other) {
    while (in_used_ == in_.size()) {
        pollfd entries[] = {{.fd = fd_, .events = POLLIN, .revents = 0},
                            {.fd = other, .events = POLLIN, .revents = 0}};
        const int n = poll(entries, 2, -1);
        if (n > 0) return entries[0].revents != 0;
        if (n < 0 && errno != EINTR) return true;  // receiving will tell
    }
    return true;
}

void HandoverChannel::interrupt() {
    ::shutdown(fd_, SHUT_RDWR);
}

int HandoverChannel::peer_pid() const {
    ucred credentials{};
    socklen_t bytes = sizeof credentials;
    const int result = getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes);
    return result == 0 ? credentials.pid : 0;
}

Status HandoverChannel::wait(short events, Instant deadline) {
    while (true) {
        int timeout_ms = -1;
        if (!deadline.is_never()) {
            const Duration left = deadline - SystemClock().now();
            if (left.count() <= 0) return broken(ETIMEDOUT);
            timeout_ms = static_cast<int>(left.count() / 1000) + 1;
        }
        pollfd entry{.fd = fd_, .events = events, .revents = 0};
        const int n = poll(&entry, 1, timeout_ms);
        if (n > 0) return {};
        if (n < 0 && errno != EINTR) return broken(errno);
    }
}

Status HandoverChannel::let_pass(Duration time) {
    pollfd entry{.fd = fd_, .events = POLLIN, .revents = 0};
    const int n = poll(&entry, 1, static_cast<int>(time.count() / 1000));
    if (n <= 0) return {};
    return fail("08006", "the other process has ended the conversation");
}

// ---- sending ----

Status HandoverChannel::send(HandoverTag tag, std::string_view body, int fd) {
    if (body.size() > kFrameBytesMax) return fail("54000", "too long to be handed over");
    uint8_t header[kHeaderBytes + 1];
    header[0] = static_cast<uint8_t>(tag);
    store_be32(header + 1, static_cast<uint32_t>(body.size() + kHeaderBytes));
    header[kHeaderBytes] = fd >= 0 ? 1 : 0;
    out_.append(as_text(header));
    out_.append(body);
    if (fd >= 0) out_fds_.push_back(fd);
    if (out_.size() < kBatchBytes && out_fds_.size() < kBatchFds) return {};
    return flush();
}

Status HandoverChannel::send_raw(std::string_view bytes) {
    out_.append(bytes);
    return flush();
}

Status HandoverChannel::flush_by(Instant deadline) {
    size_t sent = 0;
    while (sent < out_.size()) {
        iovec piece{out_.data() + sent, out_.size() - sent};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        // With the first of the bytes; whoever receives keeps the order.
        alignas(cmsghdr) char control[CMSG_SPACE(kFdsPerMessage * sizeof(int))] = {};
        if (!out_fds_.empty()) {
            const size_t bytes = out_fds_.size() * sizeof(int);
            message.msg_control = control;
            message.msg_controllen = CMSG_SPACE(bytes);
            cmsghdr* header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(bytes);
            std::memcpy(CMSG_DATA(header), out_fds_.data(), bytes);
        }
        const ssize_t n = sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            out_fds_.clear();
            sent += static_cast<size_t>(n);
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) return broken(errno);
        if (Status ready = wait(POLLOUT, deadline); !ready) return ready;
    }
    out_.clear();
    return {};
}

// ---- receiving ----

Status HandoverChannel::receive_more() {
    if (in_used_ == in_.size()) {
        in_.clear();
        in_used_ = 0;
    }
    const size_t before = in_.size();
    in_.resize(before + kBatchBytes);
    iovec piece{in_.data() + before, kBatchBytes};
    alignas(cmsghdr) char control[CMSG_SPACE(kFdsPerMessage * sizeof(int))];
    while (true) {
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        const ssize_t n = recvmsg(fd_, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            if (Status ready = wait(POLLIN, deadline_); !ready) return ready;
            continue;
        }
        in_.resize(before + (n > 0 ? static_cast<size_t>(n) : 0));
        if (n < 0) return broken(errno);
        for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
             header = CMSG_NXTHDR(&message, header)) {
            if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
            const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (size_t i = 0; i < count; ++i) {
                int fd = -1;
                std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
                in_fds_.push_back(fd);
            }
        }
        if ((message.msg_flags & MSG_CTRUNC) != 0)
            return fail("53000", "out of file descriptors: raise the limit (ulimit -n)");
        if (n == 0) return fail("08006", "the other process has ended the conversation");
        return {};
    }
}

Result<HandoverChannel::Frame> HandoverChannel::next(bool has_count) {
    const size_t least = kHeaderBytes + (has_count ? 1 : 0);
    const auto there = [this] { return as_bytes(in_).subspan(in_used_); };
    while (there().size() < least) {
        if (Status more = receive_more(); !more) return tl::unexpected<Error>(more.error());
    }
    const uint32_t length = load_be32(there().data() + 1);
    if (length < least - 1 || length > kFrameBytesMax + kHeaderBytes)
        return fail("08P01", "malformed frame");
    const size_t total = size_t{length} + 1;
    while (there().size() < total) {
        if (Status more = receive_more(); !more) return tl::unexpected<Error>(more.error());
    }
    const ByteView frame = there().first(total);
    Frame out;
    out.tag = static_cast<char>(frame[0]);
    out.body = as_text(frame.subspan(least));
    if (has_count && frame[kHeaderBytes] > 0) {
        if (frame[kHeaderBytes] > 1 || in_fds_.empty())
            return fail("08P01", "a descriptor is missing");
        out.fd = in_fds_.front();
        in_fds_.pop_front();
    }
    in_used_ += total;
    return out;
}

Result<HandoverChannel::Frame> HandoverChannel::receive() {
    return next(true);
}

Result<HandoverChannel::Frame> HandoverChannel::receive_message() {
    return next(false);
}

}  // namespace weir
