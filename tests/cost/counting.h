// Counting what the workers ask of the C library: memory and system calls. The program defines
// malloc, recv, send and so on itself; a call by a worker's thread is counted on its way through,
// others pass. So the product is measured as it is, without ptrace and without a hook in it.
// Thread: any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

namespace weir::cost {

enum class Call : uint8_t {
    Allocate,  // malloc, calloc, realloc and the aligned ones, thereby operator new
    Receive,
    Send,
    EpollWait,
    EpollControl,
    Wake,   // a write to an eventfd: another thread is woken
    Other,  // read, getsockopt, setsockopt, accept, close
};
constexpr size_t kCalls = 7;

// What the workers have done so far, or between two moments.
struct Counts {
    std::array<uint64_t, kCalls> calls{};
    uint64_t received_bytes = 0;
    uint64_t sent_bytes = 0;

    uint64_t operator[](Call call) const { return calls[static_cast<size_t>(call)]; }
    [[nodiscard]] uint64_t socket_calls() const {
        return (*this)[Call::Receive] + (*this)[Call::Send];
    }
    friend Counts operator-(Counts a, const Counts& b);
    [[nodiscard]] std::string text() const;
};
Counts counts();

// From now on the first allocations of the workers are remembered with their callers...
void trace_allocations();
// ... and this prints them to standard error; `addr2line -Cfpie build/weir-cost ADDRESS…` names
// them.
void print_allocations();

}  // namespace weir::cost
