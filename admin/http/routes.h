// Routes: what is served at metrics_listen, by path. A handler is called on the control thread and
// answers there, at once or later (see Bridge); it never meets a thread of the HTTP library. Bodies
// must hold nothing secret: no password, no token, no literal of a query.
// Owner: main. Thread: control; filled before the server starts.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

struct HttpRequest {
    std::string method;  // GET or HEAD; the server leaves the body out by itself
    std::string path;    // as it was sent; the route's own
    std::string query;   // what follows `?`, as it was sent
    std::string accept_encoding;
    std::string nonce = {};  // of this answer: what the page's own style and script carry
};

struct HttpResponse {
    int status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body;
    // Beside those that every answer has (see server.cpp): names and values without CR and LF.
    std::vector<std::pair<std::string, std::string>> headers = {};
};

// To be called once, on the control thread.
using HttpAnswer = std::function<void(HttpResponse)>;
using HttpHandler = std::function<void(const HttpRequest&, HttpAnswer)>;

enum class HttpAccess : uint8_t {
    Token,  // with metrics_token only, when there is one
    Open,   // for load balancers: tells nothing but states
};

class HttpRoutes {
  public:
    struct Route {
        HttpAccess access = HttpAccess::Token;
        HttpHandler handler;
    };

    // `path` is matched as a whole.
    void add(std::string path, HttpHandler handler, HttpAccess access = HttpAccess::Token) {
        routes_[std::move(path)] = {access, std::move(handler)};
    }
    // Null when there is no such route.
    [[nodiscard]] const Route* find(std::string_view path) const {
        const auto it = routes_.find(path);
        return it == routes_.end() ? nullptr : &it->second;
    }

  private:
    std::map<std::string, Route, std::less<>> routes_;
};

}  // namespace weir
