// HttpServer: one listening port of the HTTP library (Debian's civetweb), with its threads. It
// answers what it can by itself (a wrong method, no token, no such page), and passes the rest over
// the Bridge to a route. Nothing comes from files: there is no document root.
//
// Everything is bounded: kThreads requests at a time, as many connections again that wait for
// them, kRequestBytesMax of a request, kRequestTime for it to arrive; a connection carries one
// request. Owner: HttpService. Thread: start() and the destructor: any, one at a time, and the
// destructor waits for requests that are under way; set_access() any.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "admin/http/bridge.h"
#include "admin/http/routes.h"
#include "admin/http/settings.h"

struct mg_connection;
struct mg_context;

namespace weir {

class HttpServer {
  public:
    static constexpr int kThreads = 4;
    static constexpr int kWaitingMax = 8;  // in the library; as many again in the kernel
    static constexpr int kRequestBytesMax = 8192;
    static constexpr size_t kUriBytesMax = 2048;
    static constexpr int kRequestTimeMs = 2000;

    // Listens when it returns. Errors: 58000, with the address and why it cannot be had.
    static Result<std::unique_ptr<HttpServer>> start(const MetricsAddress& address,
                                                     HttpAccessRules access,
                                                     const HttpRoutes& routes, Bridge& bridge);
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    [[nodiscard]] const MetricsAddress& address() const { return address_; }
    [[nodiscard]] bool has_tls() const { return has_tls_; }
    // For requests from now on. With TLS as before: whether there is any cannot change.
    void set_access(HttpAccessRules access);

  private:
    HttpServer(const MetricsAddress& address, HttpAccessRules access, const HttpRoutes& routes,
               Bridge& bridge);
    Status listen();
    [[nodiscard]] HttpAccessRules access() const;
    [[nodiscard]] HttpResponse answer(const mg_connection& connection, HttpRequest& request) const;

    static int on_request(mg_connection* connection);
    static int on_error(mg_connection* connection, int status, const char* text);
    static int on_log(const mg_connection* connection, const char* text);
    static int on_tls(void** context, void* self);
    static int on_hello(SSL* connection, int* alert, void* self);

    const MetricsAddress address_;
    const bool has_tls_;
    const HttpRoutes& routes_;
    Bridge& bridge_;
    mutable std::mutex mutex_;  // guards access_
    HttpAccessRules access_;
    std::shared_ptr<SSL_CTX> listening_tls_;  // what the library holds; see on_hello()
    mg_context* context_ = nullptr;
};

}  // namespace weir
