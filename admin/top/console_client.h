// ConsoleClient: `weir top`'s connection to the console, by libpq. Nothing blocks for longer than
// its time limit, and not at all once `go_on` says no. Thread: its owner's.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "admin/top/top_table.h"
#include "protocol/base/result.h"

extern "C" {
struct pg_conn;
}

namespace weir {

// Seconds of a clock that only goes forward, for time limits and rates.
[[nodiscard]] double seconds_now();

class ConsoleClient {
  public:
    // `where`: a connection string or URI as psql takes it, or empty. What it does not say, and the
    // environment does not: database pgbouncer, port 6432, host /tmp, /var/run/postgresql,
    // localhost, whichever answers. `go_on` is asked ten times a second while something is waited
    // for.
    ConsoleClient(std::string where, std::function<bool()> go_on);
    ~ConsoleClient();
    ConsoleClient(const ConsoleClient&) = delete;
    ConsoleClient& operator=(const ConsoleClient&) = delete;

    [[nodiscard]] bool is_connected() const { return connection_ != nullptr; }
    Status connect();
    // The connection is closed after an error of its own, not after one of the console's.
    Result<TopTable> ask(const std::string& query);
    // Waits so long, or until the connection ends.
    void idle(double seconds);
    void close();
    // host:port, once connected.
    [[nodiscard]] std::string server() const;

  private:
    enum class Until { Readable, Writable };
    // False: the time is over, or `go_on` says no.
    bool wait(Until what, double deadline_s);
    tl::unexpected<Error> lost(std::string text);

    const std::string where_;
    const std::function<bool()> go_on_;
    pg_conn* connection_ = nullptr;
};

}  // namespace weir
