// HttpService: serves the routes where the configuration says, from one configuration to the next.
//
//   apply()     another address: the new one is listened on before the old one is let go
//               another token or certificate: replaced in place, nobody is turned away
//               TLS on or off: the port has to be free first, see on_tick()
//   on_tick()   tries again to listen where that was not possible yet, because our own server or
//               the process that we have taken over from had not let go; lets go of everything when
//               another process has taken over from us
//
// To end a server takes as long as its last request; so that is left to a thread. Owner: main.
// Thread: control.
#pragma once

#include <memory>
#include <optional>
#include <thread>

#include "admin/http/bridge.h"
#include "admin/http/routes.h"
#include "admin/http/server.h"
#include "admin/http/settings.h"
#include "protocol/base/clock.h"

namespace weir {

class HttpService {
  public:
    explicit HttpService(Bridge::Post post) : bridge_(std::move(post)) {}
    ~HttpService();
    HttpService(const HttpService&) = delete;
    HttpService& operator=(const HttpService&) = delete;

    // Before the first start().
    [[nodiscard]] HttpRoutes& routes() { return routes_; }

    // `waits_for_port`: the port may be another process's still, which is about to let it go; then
    // that is no error.
    Status start(HttpSettings settings, bool waits_for_port);
    // Of a configuration that is to come into force. Errors leave everything as it was.
    Status apply(const GlobalConfig& global);
    void on_tick(Instant now);
    // Another process serves from now on.
    void let_go();
    // The control thread takes no calls any more: ends, after what is under way.
    void stop();

  private:
    Status open(const HttpSettings& settings);
    void end_server();

    static constexpr Duration kComplainAfter = std::chrono::seconds(10);

    HttpRoutes routes_;
    Bridge bridge_;
    std::unique_ptr<HttpServer> server_;
    std::optional<HttpSettings> wanted_;  // cannot be listened for yet
    Instant wanted_since_;                // never: this has not been noticed by on_tick() yet
    bool has_complained_ = false;
    bool has_let_go_ = false;
    std::jthread ending_;  // of the server before
};

}  // namespace weir
