// Resolver: host names to addresses, and zones to their serial numbers, by c-ares on a loop:
// nothing blocks, and no thread is needed. It reads /etc/resolv.conf and /etc/hosts, or another
// file in the form of resolv.conf, in which a `nameserver` may besides have a port:
// `127.0.0.1:5353`,
// `[::1]:5353`. Owner: NameService. Thread: the loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "proxy/runtime/loop.h"

namespace weir {

class Resolver {
  public:
    explicit Resolver(Loop& loop);
    // What is under way is answered with an error, while this runs.
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // Before anything is asked; an empty `resolv_conf` is the system's. Error: the file cannot be
    // read, or c-ares refuses to start.
    Status open(const std::string& resolv_conf);

    // `done` gets literal addresses, IPv4 and IPv6 as they came, or an error text; maybe before
    // this returns.
    using Done = std::function<void(std::vector<std::string> ips, std::string error)>;
    void resolve(const std::string& host, Done done);
    // `done` gets the serial number of the zone's SOA record; nothing when there is no answer.
    using SerialDone = std::function<void(std::optional<uint32_t> serial)>;
    void ask_serial(const std::string& zone, SerialDone done);

  private:
    class Channel;
    std::unique_ptr<Channel> channel_;
};

// The servers that a file in the form of resolv.conf names, comma separated as c-ares takes them,
// if one of them has a port; otherwise nothing, since c-ares reads such a file itself.
std::optional<std::string> servers_with_ports(std::string_view resolv_conf);

// c-ares and its version.
std::string resolver_version();

}  // namespace weir
