#include "conf/log_sink.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <iterator>

#include "conf/limits.h"
#include "conf/logging.h"

namespace weir {

namespace {

LogLevel level_of(spdlog::level::level_enum level) {
    switch (level) {
        case spdlog::level::trace: return LogLevel::Noise;
        case spdlog::level::debug: return LogLevel::Debug;
        case spdlog::level::warn: return LogLevel::Warning;
        case spdlog::level::err: return LogLevel::Error;
        case spdlog::level::critical: return LogLevel::Fatal;
        default: return LogLevel::Log;
    }
}

// One line stays one line: what could end it, or steer a terminal, is written as \xNN.
void append_escaped(std::string& line, std::string_view text) {
    for (const char c : text.substr(0, kLogLineBytesMax)) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte >= 0x20 && byte != 0x7f) || c == '\t') {
            line += c;
        } else if (c == '\n') {
            line += "\\n";
        } else {
            fmt::format_to(std::back_inserter(line), "\\x{:02x}", byte);
        }
    }
    if (text.size() > kLogLineBytesMax) line += "...";
}

// A log that cannot be written has nobody to tell; what is left of the line is lost.
void write_all(int fd, std::string_view line) {
    while (!line.empty()) {
        const ssize_t n = ::write(fd, line.data(), line.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        line.remove_prefix(static_cast<size_t>(n));
    }
}

}  // namespace

LogSink::~LogSink() {
    if (fd_ >= 0) ::close(fd_);
}

Status LogSink::set_target(const std::string& path, bool to_stderr) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!path.empty()) {
        if (Status opened = open_file(path); !opened) return opened;
    } else if (fd_ >= 0) {
        ::close(fd_);
        fd_ = -1;
    }
    path_ = path;
    to_stderr_ = to_stderr;
    return {};
}

Status LogSink::reopen() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return path_.empty() ? Status() : open_file(path_);
}

Status LogSink::open_file(const std::string& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        return fail("58030",
                    fmt::format("cannot open logfile \"{}\": {}", path, std::strerror(errno)));
    }
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
    return {};
}

void LogSink::append_time(int64_t unix_ms) {
    const int64_t second = unix_ms / 1000;
    if (second != cached_second_) {
        const auto when = static_cast<time_t>(second);
        struct tm local {};
        localtime_r(&when, &local);
        char text[64];
        cached_date_.assign(text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local));
        cached_zone_.assign(text, std::strftime(text, sizeof text, "%Z", &local));
        cached_second_ = second;
    }
    fmt::format_to(std::back_inserter(line_), "{}.{:03} {}", cached_date_, unix_ms % 1000,
                   cached_zone_);
}

void LogSink::sink_it_(const spdlog::details::log_msg& message) {
    const auto since_1970 = message.time.time_since_epoch();
    line_.clear();
    append_time(std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count());
    fmt::format_to(std::back_inserter(line_), " [{}] {} ", ::getpid(),
                   to_string(level_of(message.level)));
    append_escaped(line_, {message.payload.data(), message.payload.size()});
    line_ += '\n';
    if (to_stderr_) write_all(STDERR_FILENO, line_);
    if (fd_ >= 0) write_all(fd_, line_);
}

}  // namespace weir
