// AccessRecord: what is told of a client when it has logged in, when it is refused, and when it
// leaves; and who is told (admin/audit), so that this room need not know that one. Called by
// workers, which never wait for it. Thread: records are values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "conf/auth_method.h"
#include "protocol/base/clock.h"

namespace weir {

// What a client has done since it came; as SHOW STATS counts.
struct SessionTally {
    uint64_t transactions = 0, queries = 0;
    uint64_t bytes_received = 0, bytes_sent = 0;
};

struct AccessRecord {
    enum class Event : uint8_t { Login, Disconnect, Refused };
    Event event = Event::Login;
    uint64_t client_id = 0;
    std::string user, database, application_name;
    std::string address;  // `unix` for the Unix socket
    uint16_t port = 0;
    int peer_pid = 0;         // of the Unix socket's other end; 0 = not known
    std::string tls;          // version, cipher and key exchange; empty = plain
    std::string certificate;  // the client's common name, if it is vouched for
    std::string_view method;  // a constant; empty = it did not come so far
    std::string_view replication;
    int64_t connected_us = 0;  // since 1970
    int64_t logged_in_us = 0;  // 0 = never
    int64_t now_us = 0;
    SessionTally tally;
    std::string reason;    // why it ended
    std::string sqlstate;  // of what it was told, if anything
};

class AccessSink {
  public:
    virtual ~AccessSink() = default;
    // Thread: any, both.
    [[nodiscard]] virtual bool is_on() const = 0;
    virtual void note(const AccessRecord& record) = 0;
};

// `md5`, as auth_type has it.
std::string_view access_method_name(AuthMethod method);

}  // namespace weir
