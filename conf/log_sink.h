// Where log lines end up: one spdlog sink that formats a line in PgBouncer's shape and writes it
// with one write(2) each to stderr and to the log file. Opened with O_APPEND, so several processes
// may share a file. Thread: any; one mutex (spdlog's base_sink) guards the descriptor and the
// cached second.
#pragma once

#include <spdlog/sinks/base_sink.h>
#include <sys/types.h>

#include <mutex>
#include <string>

#include "protocol/base/result.h"

namespace weir {

class LogSink final : public spdlog::sinks::base_sink<std::mutex> {
  public:
    ~LogSink() override;

    // Where lines go from now on; an empty path is no file. On failure nothing changes.
    Status set_target(const std::string& path, bool to_stderr);
    Status reopen();

  protected:
    void sink_it_(const spdlog::details::log_msg& message) override;
    void flush_() override {}

  private:
    Status open_file(const std::string& path);
    void append_time(int64_t unix_ms);

    std::string path_;
    int fd_ = -1;
    bool to_stderr_ = true;
    std::string line_;            // built here, so that a line costs no allocation
    int64_t cached_second_ = -1;  // localtime is slow; lines come in bursts
    std::string cached_date_, cached_zone_;
};

}  // namespace weir
