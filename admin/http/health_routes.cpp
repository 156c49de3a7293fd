#include "admin/http/health_routes.h"

namespace weir {

void add_health_routes(HttpRoutes& routes, Inspector& inspector) {
    routes.add(
        "/healthz",
        [&inspector](const HttpRequest&, HttpAnswer answer) {
            inspector.snapshot(false,
                               [answer = std::move(answer)](const std::vector<WorkerSnapshot>&) {
                                   answer({200, "text/plain; charset=utf-8", "ok\n"});
                               });
        },
        HttpAccess::Open);
}

}  // namespace weir
