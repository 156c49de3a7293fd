// HostTable: host names to addresses, with a time to live. Workers look up, never wait: a name that
// is not known (or whose addresses are stale) is asked of the control thread, whose NameService
// fills the table and tells the workers. Thread: any (one mutex, on connect paths only).
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "protocol/base/clock.h"
#include "protocol/base/result.h"

namespace weir {

class HostTable {
  public:
    struct Answer {
        enum class Kind : uint8_t { Known, Pending, Failed } kind = Kind::Pending;
        std::string ip;             // Known: the next address, round robin
        bool must_resolve = false;  // the caller is to ask the control thread
        std::string error;          // Failed
    };
    // An address literal answers itself.
    Answer lookup(const std::string& host, Instant now);
    // False when somebody asks for it already; otherwise the caller is to do it.
    bool begin_lookup(const std::string& host);
    // Gives the addresses that it had at the last good answer and has no more.
    std::vector<std::string> put(const std::string& host, std::vector<std::string> ips,
                                 Instant fresh_until);
    void put_failure(const std::string& host, std::string error, Instant until);
    // The last good answer had it; so does whatever is no name at all.
    [[nodiscard]] bool is_current(const std::string& host, const std::string& ip) const;
    [[nodiscard]] size_t size() const;
    struct Row {
        std::string host;
        std::vector<std::string> ips;  // none: the lookup failed, or is under way
        Instant fresh_until;
        bool is_asked = false;  // a lookup is under way
    };
    // What is known, by name.
    [[nodiscard]] std::vector<Row> rows() const;

    // What NameService knows of a zone, for SHOW.
    struct Zone {
        std::string name;
        uint32_t serial = 0;  // 0 = it has not answered
        size_t hosts = 0;     // names of it that are in use
    };

  private:
    struct Entry {
        std::vector<std::string> ips;
        std::vector<std::string> last_good;  // outlives a failure
        std::string error;
        size_t next = 0;
        bool is_asked = false;
        Instant until;
    };
    mutable std::mutex mutex_;
    std::map<std::string, Entry> entries_;
};

}  // namespace weir
