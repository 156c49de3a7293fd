// VirtualDatabase: what the console offers to the traffic code, so that this room need not know
// that one. A client of a virtual database is authenticated like any other, then its messages are
// handed over whole. Thread: each method says so.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/config.h"
#include "protocol/base/ids.h"
#include "proxy/net/descriptor.h"

namespace weir {

// On the Unix socket the system user that Weir runs as is the console's administrator by this name.
constexpr std::string_view kOwnUserName = "pgbouncer";

class VirtualDatabase {
  public:
    virtual ~VirtualDatabase() = default;

    // ---- any thread, no lock, no blocking ----

    [[nodiscard]] virtual bool owns(std::string_view database) const = 0;
    // May this user enter at all, and is it an administrator (runs everything) or not (only SHOW)?
    struct Admission {
        bool is_allowed = false;
        bool is_admin = false;
    };
    [[nodiscard]] virtual Admission admit(const Config& config, std::string_view user) const = 0;
    // The ParameterStatus messages of its welcome.
    [[nodiscard]] virtual std::vector<std::pair<std::string, std::string>> parameters() const = 0;

    // ---- control thread ----

    struct Client {
        ClientId id;
        std::string user;
        std::string database;
        std::string address;  // host:port
        bool is_admin = false;
    };
    // One or more whole frontend messages. Answers go out by ConsoleOutlet, now or later.
    virtual void on_messages(const Client& client, std::string_view messages) = 0;
    virtual void on_disconnect(ClientId client) = 0;
    // A cancel request for this client arrived.
    virtual void on_cancel(ClientId client) = 0;
};

// How answers reach the client. Control thread.
class ConsoleOutlet {
  public:
    virtual ~ConsoleOutlet() = default;
    // `descriptors` go along with the bytes, and only to the system user that Weir runs as.
    virtual void reply(ClientId client, std::string bytes,
                       std::vector<AttachedDescriptor> descriptors, bool close_after) = 0;
};

}  // namespace weir
