#include "admin/audit/chain_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "admin/audit/hash_chain.h"

namespace weir {

namespace {

constexpr off_t kTailBytes = 256 * 1024;  // more than any line has

}  // namespace

Result<ChainFile> ChainFile::open(const std::string& path) {
    ChainFile out;
    out.path_ = path;
    // Not to wait for the reader of a pipe.
    constexpr int kFlags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    out.fd_ = ::open(path.c_str(), kFlags, 0640);
    if (out.fd_ < 0) return fail("58030", "cannot open \"" + path + "\": " + std::strerror(errno));
    struct stat status {};
    if (::fstat(out.fd_, &status) != 0 || !S_ISREG(status.st_mode))
        return fail("58030", "\"" + path + "\" is no regular file");
    out.end_ = status.st_size;
    char last = '\n';
    if (out.end_ > 0 && ::pread(out.fd_, &last, 1, out.end_ - 1) == 1) out.is_torn_ = last != '\n';
    return out;
}

ChainFile::~ChainFile() {
    if (fd_ >= 0) ::close(fd_);
}

ChainFile::ChainFile(ChainFile&& other) noexcept {
    *this = std::move(other);
}

ChainFile& ChainFile::operator=(ChainFile&& other) noexcept {
    if (this == &other) return *this;
    if (fd_ >= 0) ::close(fd_);
    path_ = std::move(other.path_);
    fd_ = std::exchange(other.fd_, -1);
    end_ = other.end_;
    is_torn_ = other.is_torn_;
    return *this;
}

bool ChainFile::is_same(const ChainFile& other) const {
    struct stat a {};
    struct stat b {};
    return is_open() && other.is_open() && ::fstat(fd_, &a) == 0 && ::fstat(other.fd_, &b) == 0 &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

off_t ChainFile::size() const {
    struct stat status {};
    return ::fstat(fd_, &status) == 0 ? status.st_size : 0;
}

bool ChainFile::is_empty() const {
    return size() == 0;
}

std::string ChainFile::last_line() const {
    const off_t all = size();
    const off_t from = std::max<off_t>(all - kTailBytes, 0);
    std::string tail(static_cast<size_t>(all - from), '\0');
    const ssize_t n = ::pread(fd_, tail.data(), tail.size(), from);
    tail.resize(static_cast<size_t>(std::max<ssize_t>(n, 0)));
    // What stands behind the last end of line is not whole.
    while (tail.find('\n') != std::string::npos) {
        tail.resize(tail.rfind('\n'));
        const size_t before = tail.rfind('\n');
        const size_t begin = before == std::string::npos ? 0 : before + 1;
        if (parse_chained_line(std::string_view(tail).substr(begin))) return tail.substr(begin);
    }
    return {};
}

bool ChainFile::was_truncated() const {
    return size() < end_;
}

int ChainFile::append(std::string_view text) {
    std::string with_end;
    if (is_torn_) {
        with_end = '\n' + std::string(text);
        text = with_end;
    }
    const off_t before = size();
    ssize_t n = 0;
    do {
        n = ::write(fd_, text.data(), text.size());
    } while (n < 0 && errno == EINTR);
    if (n == static_cast<ssize_t>(text.size())) {
        is_torn_ = false;
        end_ = size();
        return 0;
    }
    // A write in part does not say why: the disk is full, or the file as long as it may be.
    const int error = n < 0 ? errno : ENOSPC;
    if (n > 0) {
        const bool is_last = size() == before + n;
        const bool is_undone = is_last && ::ftruncate(fd_, before) == 0;
        if (!is_undone) is_torn_ = text[static_cast<size_t>(n) - 1] != '\n';
    }
    end_ = size();
    return error;
}

}  // namespace weir
