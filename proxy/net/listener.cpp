#include "proxy/net/listener.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace weir {

namespace {

constexpr uint32_t kFlagsOffset = 13;  // in the TCP header
constexpr uint32_t kSyn = 0x02;
constexpr uint32_t kSynOrAck = 0x12;

}  // namespace

Listener::Listener(int fd, bool is_unix, std::string name)
    : fd_(fd), is_unix_(is_unix), name_(std::move(name)) {}

Listener::~Listener() {
    ::close(fd_);
}

Status Listener::drop_syns() {
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kFlagsOffset),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kSynOrAck),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kSyn, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),  // the whole segment passes
        BPF_STMT(BPF_RET | BPF_K, 0),           // a SYN alone does not
    };
    const sock_fprog program{sizeof code / sizeof code[0], code};
    drops_syns_.store(true, std::memory_order_relaxed);
    if (setsockopt(fd_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0) return {};
    return fail("58000",
                "cannot hold back new connections on " + name_ + ": " + std::strerror(errno));
}

void Listener::clear_filter(int accepted) const {
    const int unused = 0;
    (void)setsockopt(accepted, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused);
}

unsigned Listener::queued() const {
    tcp_info info{};
    socklen_t bytes = sizeof info;
    if (getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0) return 0;
    return info.tcpi_unacked;  // of a listening socket: the length of its accept queue
}

void Listener::set_defer_accept(int seconds) const {
    (void)setsockopt(fd_, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
}

}  // namespace weir
