// HandoverChannel: the conversation between the process that runs and the one that takes over, on a
// Unix socket. Frames look like messages of PostgreSQL: tag, length (4 bytes, counts itself), body;
// the first byte of a body says how many descriptors come with the frame (SCM_RIGHTS).
//
//   new: (logs in to the console as `pgbouncer`) Query "TAKEOVER <format>"
//   old: Hello            or an ErrorResponse of the console, and nothing has happened
//   new: Begin            it is ready to receive
//   old: one frame for each record of state.h, End
//   new: Ready            everything is adopted; nothing has been read or written yet
//   old: Go               from here on the new process serves, the old one lets go
//
// and from then on, for as long as both live:
//
//   old: one Late for each session whose login has come to an end there
//   old: one Link for each process before it, when it ends: the other end of that conversation
//   new: one Visitor for each cancel request whose key it does not know: it may be a client's that
//        has stayed in the old process. The descriptor is a copy; who does not know the key either
//        closes it, so that the client sees the end of it when all have looked.
//
// An end of the stream before Go: the old process goes on as if nothing had happened.
// Blocks, with deadlines. Thread: one that sends, and one that receives.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/clock.h"
#include "protocol/base/result.h"

namespace weir {

enum class HandoverTag : char {
    Hello = 'h',
    Begin = 'b',
    Process = 'p',
    Listener = 'l',
    Welcome = 'w',
    Group = 'g',
    Statement = 't',
    Server = 's',
    Session = 'c',
    Cancel = 'k',
    End = 'z',
    Ready = 'r',
    Go = 'o',
    Late = 'a',
    Link = 'n',
    Visitor = 'v',
};

class HandoverChannel {
  public:
    // Takes over the descriptor of a connected socket.
    explicit HandoverChannel(int fd);
    ~HandoverChannel();
    HandoverChannel(const HandoverChannel&) = delete;
    HandoverChannel& operator=(const HandoverChannel&) = delete;

    // Nothing may take longer than until then; never = for ever. Not while another thread sends or
    // receives.
    void set_deadline(Instant deadline) { deadline_ = deadline; }

    // Queues a frame; `fd` (-1 = none) stays the caller's and must stay open until flush().
    Status send(HandoverTag tag, std::string_view body = {}, int fd = -1);
    // Bytes as they are.
    Status send_raw(std::string_view bytes);
    Status flush() { return flush_by(deadline_); }
    Status flush_by(Instant deadline);

    struct Frame {
        char tag = 0;
        std::string body;
        int fd = -1;  // the caller's from now on
    };
    // The next frame. Error at the end of the stream, after the deadline, and when it is malformed.
    Result<Frame> receive();
    // The next message of PostgreSQL's protocol: there is no count of descriptors in it.
    Result<Frame> receive_message();

    // Waits until there is something to receive; false: `other` is readable before that.
    [[nodiscard]] bool await(int other);
    // The descriptor, which is the caller's from now on, and this is over; after await() has said
    // that nothing was there.
    [[nodiscard]] int release();

    // Lets `time` pass; error when the other process says something meanwhile, or is gone.
    Status let_pass(Duration time);

    // Ends a receive() or flush() that waits, from any thread.
    void interrupt();
    // The process that has connected, for the one that has accepted; 0 = unknown.
    [[nodiscard]] int peer_pid() const;

  private:
    Status wait(short events, Instant deadline);
    Status receive_more();
    Result<Frame> next(bool has_count);

    static constexpr size_t kBatchBytes = 64 * 1024;
    static constexpr size_t kBatchFds = 64;  // far below what the kernel allows (253)
    static constexpr uint32_t kFrameBytesMax = 1U << 30;

    int fd_;
    Instant deadline_;
    std::string out_;
    std::vector<int> out_fds_;
    std::string in_;
    size_t in_used_ = 0;
    std::deque<int> in_fds_;
};

}  // namespace weir
