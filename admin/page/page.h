// StatusPage: the page at `/` of metrics_listen, for the person on call: what is wrong first, then
// pools, backends and the rest. It shows what the console shows, as HTML.
//
// Owner: main. Thread: control. It must outlive the server, and the console outlives it.
#pragma once

#include "admin/console/console.h"
#include "admin/http/routes.h"
#include "admin/page/history.h"
#include "proxy/inspector.h"

namespace weir {

class StatusPage {
  public:
    StatusPage(Inspector& inspector, Console& console)
        : inspector_(inspector), console_(console), started_at_(inspector.now()) {}

    void add_routes(HttpRoutes& routes);
    // Keeps the last hour, while something is served.
    void on_tick(Instant now);

  private:
    void answer_page(const HttpRequest& request, HttpAnswer answer);

    Inspector& inspector_;
    Console& console_;
    const Instant started_at_;
    PageHistory history_;
};

}  // namespace weir
