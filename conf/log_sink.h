// LogSink: where lines end up: stderr, logfile, syslog. Files are opened with O_APPEND and get
// whole lines in one write(2) each batch, so several processes may share one. Lines that could not
// be written are counted.
//
// When stderr is the systemd journal ($JOURNAL_STREAM names it), its lines are `<N>message`, N the
// priority: the journal has time and process itself.
//
// Owner: LogWriter; used by one thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "conf/config.h"
#include "conf/log_line.h"
#include "conf/syslog_socket.h"
#include "protocol/base/result.h"

namespace weir {

// What of the configuration concerns the sink, with logfile opened.
struct LogTarget {
    LogTarget() = default;
    ~LogTarget();
    LogTarget(LogTarget&& other) noexcept;
    LogTarget& operator=(LogTarget&& other) noexcept;

    // Opens logfile; an empty one is none. `quiet`: nothing goes to stderr.
    static Result<LogTarget> open(const GlobalConfig& config, bool quiet);

    int fd = -1;  // of logfile
    bool to_stderr = true;
    bool is_json = false;
    bool to_syslog = false;
    std::string syslog_facility = "daemon", syslog_ident = "pgbouncer";
};

// `stream` is the value of $JOURNAL_STREAM (device:inode), or null; is `fd` that stream?
bool is_journal(int fd, const char* stream);

class LogSink {
  public:
    explicit LogSink(std::string syslog_path = "/dev/log");

    void set_target(LogTarget target);
    // Gives how many of them could not be written somewhere.
    size_t write(std::span<const LogLine> lines);

  private:
    // `text` is what was appended for one line.
    void append(const LogLine& line);
    void flush(int fd, std::string& text, size_t& lines, bool& is_torn);
    void flush_all();

    LogTarget target_;
    SyslogSocket syslog_;
    LogClock clock_;
    const bool is_journal_;
    int pid_ = 0;
    size_t failed_ = 0;  // of the present batch
    std::string body_, file_text_, stderr_text_;
    size_t file_lines_ = 0, stderr_lines_ = 0;
    bool is_file_torn_ = false, is_stderr_torn_ = false;  // the last line has no end
};

}  // namespace weir
