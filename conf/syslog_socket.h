// SyslogSocket: datagrams to the system's logging daemon, in the form that syslog(3) sends:
//
//   <facility * 8 + priority>Jan  2 03:04:05 ident[pid]: message
//
// Not syslog(3) itself, which may block for ever when the daemon does, and which cannot say that
// nobody listens. Owner: LogSink. Thread: its owner's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

class SyslogSocket {
  public:
    // `path` is that of the daemon's socket.
    explicit SyslogSocket(std::string path = "/dev/log") : path_(std::move(path)) {}
    ~SyslogSocket();
    SyslogSocket(const SyslogSocket&) = delete;
    SyslogSocket& operator=(const SyslogSocket&) = delete;

    // `facility` is a word of kSyslogFacilityWords.
    void configure(std::string_view facility, std::string ident);
    void close();
    // `priority` is 0 to 7. Connects when needed, waits a second at the most for a daemon that is
    // busy. False = the line is lost.
    bool send(int priority, int64_t unix_ms, int pid, std::string_view text);

  private:
    bool connect();
    [[nodiscard]] bool send_datagram();

    const std::string path_;
    std::string ident_ = "pgbouncer";
    int facility_ = 3;
    int fd_ = -1;
    std::string datagram_;
};

}  // namespace weir
