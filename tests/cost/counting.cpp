#include "tests/cost/counting.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>

extern "C" {
// glibc's own, for programs that bring a malloc.
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* old, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void* memory);
}

namespace weir::cost {

namespace {

std::array<std::atomic<uint64_t>, kCalls> totals;
std::atomic<uint64_t> received_bytes_total;
std::atomic<uint64_t> sent_bytes_total;

constexpr size_t kTraces = 8;
constexpr int kFrames = 24;
struct Trace {
    std::array<void*, kFrames> frames{};
    int depth = 0;
};
std::array<Trace, kTraces> traces;
std::atomic<size_t> traces_used{kTraces};

// Workers are known by the name that WorkerThread gives them, which happens after their start:
// until then a thread is asked again each time.
bool is_worker() {
    thread_local bool is_known = false;
    if (is_known) return true;
    char name[16] = {};
    prctl(PR_GET_NAME, name);
    is_known = std::strncmp(name, "weir-", 5) == 0 && name[5] >= '0' && name[5] <= '9';
    return is_known;
}

void add(Call call) {
    totals[static_cast<size_t>(call)].fetch_add(1, std::memory_order_relaxed);
}

void on_allocation() {
    thread_local bool is_inside = false;  // backtrace() allocates
    if (is_inside || !is_worker()) return;
    is_inside = true;
    add(Call::Allocate);
    if (traces_used.load() < kTraces) {
        if (const size_t mine = traces_used.fetch_add(1); mine < kTraces)
            traces[mine].depth = backtrace(traces[mine].frames.data(), kFrames);
    }
    is_inside = false;
}

void on_call(Call call) {
    const int error = errno;
    if (is_worker()) add(call);
    errno = error;
}

ssize_t on_transfer(Call call, std::atomic<uint64_t>& bytes, ssize_t result) {
    const int error = errno;
    if (is_worker()) {
        add(call);
        if (result > 0) bytes.fetch_add(static_cast<uint64_t>(result), std::memory_order_relaxed);
    }
    errno = error;
    return result;
}

}  // namespace

Counts operator-(Counts a, const Counts& b) {
    for (size_t i = 0; i < kCalls; ++i)
        a.calls[i] -= b.calls[i];
    a.received_bytes -= b.received_bytes;
    a.sent_bytes -= b.sent_bytes;
    return a;
}

std::string Counts::text() const {
    constexpr const char* kNames[] = {"allocate",  "receive", "send", "epoll_wait",
                                      "epoll_ctl", "wake",    "other"};
    std::string out;
    for (size_t i = 0; i < kCalls; ++i)
        out += std::string(kNames[i]) + " " + std::to_string(calls[i]) + ", ";
    return out + "bytes in " + std::to_string(received_bytes) + ", out " +
           std::to_string(sent_bytes);
}

Counts counts() {
    Counts out;
    for (size_t i = 0; i < kCalls; ++i)
        out.calls[i] = totals[i].load();
    out.received_bytes = received_bytes_total.load();
    out.sent_bytes = sent_bytes_total.load();
    return out;
}

void trace_allocations() {
    void* warm[1];
    backtrace(warm, 1);  // loads what it needs now, not in a worker
    traces_used.store(0);
}

void print_allocations() {
    const size_t used = std::min(traces_used.exchange(kTraces), kTraces);
    for (size_t i = 0; i < used; ++i) {
        const char line[] = "--- allocation\n";
        (void)!::write(STDERR_FILENO, line, sizeof line - 1);
        backtrace_symbols_fd(traces[i].frames.data(), traces[i].depth, STDERR_FILENO);
    }
}

}  // namespace weir::cost

using weir::cost::Call;
using weir::cost::on_allocation;
using weir::cost::on_call;
using weir::cost::on_transfer;
using weir::cost::received_bytes_total;
using weir::cost::sent_bytes_total;

extern "C" {

void* malloc(size_t bytes) {
    on_allocation();
    return __libc_malloc(bytes);
}

void* calloc(size_t count, size_t bytes) {
    on_allocation();
    return __libc_calloc(count, bytes);
}

void* realloc(void* old, size_t bytes) {
    on_allocation();
    return __libc_realloc(old, bytes);
}

void* memalign(size_t alignment, size_t bytes) {
    on_allocation();
    return __libc_memalign(alignment, bytes);
}

void* aligned_alloc(size_t alignment, size_t bytes) {
    on_allocation();
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void** out, size_t alignment, size_t bytes) {
    on_allocation();
    *out = __libc_memalign(alignment, bytes);
    return *out == nullptr ? ENOMEM : 0;
}

void free(void* memory) {
    __libc_free(memory);
}

// Whoever calls the kernel by number, and the functions below.
long syscall(long number, ...) noexcept {
    static const auto real = reinterpret_cast<long (*)(long, ...)>(dlsym(RTLD_NEXT, "syscall"));
    va_list arguments;
    va_start(arguments, number);
    std::array<long, 6> given{};
    for (long& argument : given)
        argument = va_arg(arguments, long);
    va_end(arguments);
    const long result = real(number, given[0], given[1], given[2], given[3], given[4], given[5]);
    switch (number) {
        case SYS_recvfrom: return on_transfer(Call::Receive, received_bytes_total, result);
        case SYS_sendto:
        case SYS_sendmsg: return on_transfer(Call::Send, sent_bytes_total, result);
        case SYS_epoll_pwait: on_call(Call::EpollWait); break;
        case SYS_epoll_ctl: on_call(Call::EpollControl); break;
        case SYS_write: on_call(Call::Wake); break;
        case SYS_read:
        case SYS_getsockopt:
        case SYS_setsockopt:
        case SYS_timerfd_settime: on_call(Call::Other); break;
        default: break;
    }
    return result;
}

ssize_t recv(int fd, void* into, size_t bytes, int flags) {
    return syscall(SYS_recvfrom, fd, into, bytes, flags, nullptr, nullptr);
}

ssize_t send(int fd, const void* from, size_t bytes, int flags) {
    return syscall(SYS_sendto, fd, from, bytes, flags, nullptr, 0);
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
    return syscall(SYS_sendmsg, fd, message, flags);
}

int epoll_wait(int fd, epoll_event* events, int max, int timeout_ms) {
    return epoll_pwait(fd, events, max, timeout_ms, nullptr);
}

int epoll_pwait(int fd, epoll_event* events, int max, int timeout_ms, const sigset_t* signals) {
    return static_cast<int>(
        syscall(SYS_epoll_pwait, fd, events, max, timeout_ms, signals, size_t{8}));
}

int epoll_ctl(int fd, int operation, int target, epoll_event* event) noexcept {
    return static_cast<int>(syscall(SYS_epoll_ctl, fd, operation, target, event));
}

ssize_t read(int fd, void* into, size_t bytes) {
    return syscall(SYS_read, fd, into, bytes);
}

ssize_t write(int fd, const void* from, size_t bytes) {
    return syscall(SYS_write, fd, from, bytes);
}

int getsockopt(int fd, int level, int name, void* value, socklen_t* bytes) noexcept {
    return static_cast<int>(syscall(SYS_getsockopt, fd, level, name, value, bytes));
}

int setsockopt(int fd, int level, int name, const void* value, socklen_t bytes) noexcept {
    return static_cast<int>(syscall(SYS_setsockopt, fd, level, name, value, bytes));
}

int timerfd_settime(int fd, int flags, const itimerspec* next, itimerspec* last) noexcept {
    return static_cast<int>(syscall(SYS_timerfd_settime, fd, flags, next, last));
}

}  // extern "C"
