#include "conf/log_sink.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <utility>

namespace weir {

namespace {

constexpr size_t kWriteBytes = 64u << 10;  // gathered before a write

}  // namespace

LogTarget::~LogTarget() {
    if (fd >= 0) ::close(fd);
}

LogTarget::LogTarget(LogTarget&& other) noexcept {
    *this = std::move(other);
}

LogTarget& LogTarget::operator=(LogTarget&& other) noexcept {
    if (this == &other) return *this;
    if (fd >= 0) ::close(fd);
    fd = std::exchange(other.fd, -1);
    to_stderr = other.to_stderr;
    is_json = other.is_json;
    to_syslog = other.to_syslog;
    syslog_facility = std::move(other.syslog_facility);
    syslog_ident = std::move(other.syslog_ident);
    return *this;
}

Result<LogTarget> LogTarget::open(const GlobalConfig& config, bool quiet) {
    LogTarget out;
    out.to_stderr = !quiet;
    out.is_json = config.log_format == LogFormat::Json;
    out.to_syslog = config.syslog;
    out.syslog_facility = config.syslog_facility;
    out.syslog_ident = config.syslog_ident;
    const std::string& path = config.logfile;
    if (path.empty()) return out;
    out.fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
    if (out.fd >= 0) return out;
    return fail("58030", fmt::format("cannot open logfile \"{}\": {}", path, std::strerror(errno)));
}

bool is_journal(int fd, const char* stream) {
    if (stream == nullptr) return false;
    char* end = nullptr;
    const unsigned long long device = std::strtoull(stream, &end, 10);
    if (*end != ':') return false;
    const unsigned long long inode = std::strtoull(end + 1, &end, 10);
    struct stat status {};
    return *end == '\0' && ::fstat(fd, &status) == 0 && status.st_dev == device &&
           status.st_ino == inode;
}

LogSink::LogSink(std::string syslog_path)
    : syslog_(std::move(syslog_path)),
      is_journal_(is_journal(STDERR_FILENO, std::getenv("JOURNAL_STREAM"))) {}

void LogSink::set_target(LogTarget target) {
    target_ = std::move(target);
    is_file_torn_ = false;
    syslog_.close();
    syslog_.configure(target_.syslog_facility, target_.syslog_ident);
}

// Lines that are not out when a write fails are lost, the one that is out in part as well.
void LogSink::flush(int fd, std::string& text, size_t& lines, bool& is_torn) {
    std::string_view left = text;
    while (!left.empty()) {
        const ssize_t n = ::write(fd, left.data(), left.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        left.remove_prefix(static_cast<size_t>(n));
    }
    if (left.empty()) {
        is_torn = false;
    } else {
        size_t lost = 0;
        for (const char c : left)
            lost += c == '\n' ? 1 : 0;
        failed_ += std::min(lost, lines);
        const size_t written = text.size() - left.size();
        if (written > 0) is_torn = text[written - 1] != '\n';
    }
    text.clear();
    lines = 0;
}

void LogSink::append(const LogLine& line) {
    body_.clear();
    if (target_.is_json) {
        append_log_json(body_, line, pid_);
    } else {
        append_log_text(body_, line);
    }
    const auto append_whole = [&](std::string& text, size_t& lines, bool is_torn) {
        if (is_torn && lines == 0) text += '\n';
        if (!target_.is_json) {
            clock_.append(text, line.unix_ms);
            fmt::format_to(std::back_inserter(text), " [{}] {} ", pid_, to_string(line.level));
        }
        text += body_;
        text += '\n';
        ++lines;
    };
    if (target_.fd >= 0) append_whole(file_text_, file_lines_, is_file_torn_);
    if (target_.to_stderr && is_journal_) {
        fmt::format_to(std::back_inserter(stderr_text_), "<{}>{}\n", syslog_priority(line.level),
                       body_);
        ++stderr_lines_;
    } else if (target_.to_stderr) {
        append_whole(stderr_text_, stderr_lines_, is_stderr_torn_);
    }
    if (target_.to_syslog &&
        !syslog_.send(syslog_priority(line.level), line.unix_ms, pid_, body_)) {
        ++failed_;
    }
}

void LogSink::flush_all() {
    if (!file_text_.empty()) flush(target_.fd, file_text_, file_lines_, is_file_torn_);
    if (!stderr_text_.empty()) flush(STDERR_FILENO, stderr_text_, stderr_lines_, is_stderr_torn_);
}

size_t LogSink::write(std::span<const LogLine> lines) {
    pid_ = static_cast<int>(::getpid());  // it may have been forked since
    failed_ = 0;
    for (const LogLine& line : lines) {
        append(line);
        if (file_text_.size() > kWriteBytes || stderr_text_.size() > kWriteBytes) flush_all();
    }
    flush_all();
    return failed_;
}

}  // namespace weir
