#include "admin/http/health_routes.h"

#include "admin/http/readiness.h"

namespace weir {

namespace {

// A name of the configuration may hold anything, and each line is one database.
std::string one_line(std::string text) {
    for (char& c : text) {
        if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
    }
    return text;
}

HttpResponse told(const Readiness& readiness) {
    HttpResponse out;
    if (readiness.is_ready()) {
        out.body = "ready\n";
        return out;
    }
    out.status = 503;
    if (!readiness.process.empty()) out.body = readiness.process + "\n";
    for (const Unready& one : readiness.databases)
        out.body += one_line(one.database) + ": " + one.why + "\n";
    return out;
}

}  // namespace

void add_health_routes(HttpRoutes& routes, Inspector& inspector) {
    routes.add(
        "/healthz",
        [&inspector](const HttpRequest&, HttpAnswer answer) {
            inspector.snapshot(false,
                               [answer = std::move(answer)](const std::vector<WorkerSnapshot>&) {
                                   HttpResponse response;
                                   response.body = "ok\n";
                                   answer(std::move(response));
                               });
        },
        HttpAccess::Open);
    routes.add(
        "/readyz",
        [&inspector](const HttpRequest&, const HttpAnswer& answer) {
            const Readiness now = readiness(inspector);
            if (!now.databases.empty()) try_unreachable(inspector);
            answer(told(now));
        },
        HttpAccess::Open);
}

}  // namespace weir
