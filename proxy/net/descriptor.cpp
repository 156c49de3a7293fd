#include "proxy/net/descriptor.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace weir {

namespace {

// `descriptor` below 0: none. The kernel passes it with the first of the bytes.
ssize_t send_with(int socket, ByteView bytes, int descriptor) {
    iovec piece{const_cast<uint8_t*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    if (descriptor >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    ssize_t n;
    do {
        n = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

}  // namespace

std::shared_ptr<const Descriptor> Descriptor::duplicate(int fd) {
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return nullptr;
    return std::make_shared<const Descriptor>(copy);
}

Descriptor::~Descriptor() {
    ::close(fd_);
}

void DescriptorQueue::add(size_t held, std::vector<AttachedDescriptor> more) {
    for (AttachedDescriptor& one : more)
        queue_.push_back({held + one.at, std::move(one.descriptor)});
}

int DescriptorQueue::flush(int socket, ByteQueue& outbox) {
    while (!outbox.empty()) {
        const bool is_due = !queue_.empty() && queue_.front().at == 0;
        size_t bytes = outbox.size();
        const size_t next = is_due ? 1 : 0;
        if (queue_.size() > next) bytes = std::min(bytes, queue_[next].at);
        const ssize_t n = send_with(socket, outbox.view().first(bytes),
                                    is_due ? queue_.front().descriptor->fd() : -1);
        if (n == -EAGAIN) return 0;
        if (n < 0) return static_cast<int>(n);
        if (is_due) queue_.pop_front();
        const auto sent = static_cast<size_t>(n);
        outbox.consume(sent);
        for (AttachedDescriptor& one : queue_)
            one.at -= sent;
    }
    return 0;
}

}  // namespace weir
