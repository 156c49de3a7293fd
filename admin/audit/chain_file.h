// ChainFile: one file of a hash-chained log, opened to append. Several processes may have it open;
// what is written at once stays together (O_APPEND).
//
// Owner: ChainedLog. Thread: the owner's; open() may be called by another one.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace weir {

class ChainFile {
  public:
    // Made if need be, for the owner and the group to read. Error: it cannot be opened, or is no
    // regular file.
    static Result<ChainFile> open(const std::string& path);

    ChainFile() = default;
    ~ChainFile();
    ChainFile(ChainFile&& other) noexcept;
    ChainFile& operator=(ChainFile&& other) noexcept;

    [[nodiscard]] bool is_open() const { return fd_ >= 0; }
    [[nodiscard]] const std::string& path() const { return path_; }
    // The same file, under whatever name.
    [[nodiscard]] bool is_same(const ChainFile& other) const;
    [[nodiscard]] bool is_empty() const;
    // The last whole line that is one of a chain; empty when there is none near the end.
    [[nodiscard]] std::string last_line() const;

    // It is shorter than when we last wrote: copytruncate, or worse.
    [[nodiscard]] bool was_truncated() const;
    // All of `text`, which is whole lines, or nothing: what was written of it is taken back, unless
    // another process has written behind it. 0, or errno.
    [[nodiscard]] int append(std::string_view text);

  private:
    [[nodiscard]] off_t size() const;

    std::string path_;
    int fd_ = -1;
    off_t end_ = 0;         // of the file, when we last wrote
    bool is_torn_ = false;  // its last line has no end
};

}  // namespace weir
