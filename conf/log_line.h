// One line of the log: what it says, and how it reads in either format.
//
//   pgbouncer   2026-01-02 03:04:05.678 UTC [pid] LEVEL C-0x1f: db/user@host:port message
//   json        {"time":"2026-01-02T03:04:05.678Z","level":"LOG","pid":1,"client":"0x1f",...}
//
// Whatever a peer sends stays within its line: control characters are escaped, and in JSON what is
// no UTF-8, too. Pure. Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "conf/config.h"

namespace weir {

enum class LogLevel : uint8_t { Noise, Debug, Log, Warning, Error, Fatal };

const char* to_string(LogLevel level);
// As syslog(3) and the journal number them: 2 critical to 7 debugging. NOISE is debugging, too.
int syslog_priority(LogLevel level);

// The connection that a line is about: PgBouncer's prefix.
struct LogPeer {
    enum class Side : uint8_t { Client, Server } side = Side::Client;
    uint64_t id = 0;             // as SHOW prints it in `ptr`
    std::string database, user;  // empty = not known yet
    std::string host;            // an address without brackets, or a name that is not resolved yet
    uint16_t port = 0;
    bool is_unix = false;  // then `host` does not matter
    int pid = 0;           // of the other end of a Unix socket
    int peer_id = 0;       // a cancel request that a peer has passed on; 0 = none

    // `C-0x1f: db/user@host:port `, with the blank. IPv6 addresses stand in brackets; what is not
    // known is (nodb), (nouser); the other end of a Unix socket is unix(pid):port, that of one
    // to a server unix:port.
    [[nodiscard]] std::string prefix() const;
    // host:port, as in the prefix.
    [[nodiscard]] std::string address() const;
};

struct LogLine {
    LogLevel level = LogLevel::Log;
    int64_t unix_ms = 0;
    std::string message;
    std::optional<LogPeer> peer;

    [[nodiscard]] size_t bytes() const;
};

// Appends the prefix and the message, escaped and cut at kLogLineBytesMax, without an end of line.
void append_log_text(std::string& out, const LogLine& line);
// Appends the line as one JSON object, without an end of line.
void append_log_json(std::string& out, const LogLine& line, int pid);

// Formats times; localtime(3) is slow and lines come in bursts, so the last second is kept.
class LogClock {
  public:
    // 2026-01-02 03:04:05.678 UTC, in local time.
    void append(std::string& out, int64_t unix_ms);

  private:
    int64_t second_ = -1;
    std::string date_, zone_;
};

}  // namespace weir
