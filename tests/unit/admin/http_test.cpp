// Goal: a request gets one answer in bounded time, whoever fails to give it, and nobody gets in
// without the token. Method: the Bridge with a control thread that is a list of calls; headers as
// clients send them.
#include <doctest/doctest.h>

#include <thread>

#include "admin/http/bridge.h"
#include "admin/http/settings.h"
#include "protocol/auth/base64.h"

namespace weir::http_test {
namespace {

// Runs what was posted when told to.
struct Calls {
    std::mutex mutex;
    std::vector<std::function<void()>> all;

    Bridge::Post post() {
        return [this](std::function<void()> call) {
            const std::lock_guard lock(mutex);
            all.push_back(std::move(call));
        };
    }
    [[nodiscard]] bool run_next() {
        std::function<void()> call;
        {
            const std::lock_guard lock(mutex);
            if (all.empty()) return false;
            call = std::move(all.front());
            all.erase(all.begin());
        }
        call();
        return true;
    }
};

HttpResponse text(const std::string& body) {
    return {200, "text/plain", body};
}

TEST_CASE("bridge: the first answer counts, also one that is given later") {
    Calls calls;
    Bridge bridge(calls.post());
    HttpAnswer kept;
    const HttpHandler handler = [&kept](const HttpRequest& request, HttpAnswer answer) {
        CHECK(request.path == "/x");
        kept = std::move(answer);
    };
    HttpResponse response;
    std::thread asking([&] { response = bridge.ask(handler, {"GET", "/x", "", ""}); });
    while (!calls.run_next())
        std::this_thread::yield();
    kept(text("first"));
    kept(text("second"));
    asking.join();
    CHECK(response.status == 200);
    CHECK(response.body == "first");
    kept(text("third"));  // to nobody
}

TEST_CASE("bridge: when it is closed nobody waits") {
    Calls calls;
    Bridge bridge(calls.post());
    const HttpHandler handler = [](const HttpRequest&, const HttpAnswer&) {};
    HttpResponse response;
    std::thread asking([&] { response = bridge.ask(handler, {"GET", "/x", "", ""}); });
    while (!calls.run_next())
        std::this_thread::yield();
    bridge.close();
    asking.join();
    CHECK(response.status == 503);
    CHECK(response.content_type == "text/plain; charset=utf-8");
    CHECK(bridge.ask(handler, {"GET", "/x", "", ""}).status == 503);
}

std::string basic(const std::string& pair) {
    return "Basic " + base64_encode({reinterpret_cast<const uint8_t*>(pair.data()), pair.size()});
}

TEST_CASE("token: as bearer, or as password of any user") {
    const std::optional<TokenHash> token = TokenHash("se:cret");
    CHECK(is_authorized(token, "Bearer se:cret"));
    CHECK(is_authorized(token, "bearer se:cret"));
    CHECK(is_authorized(token, basic("anybody:se:cret").c_str()));
    CHECK(is_authorized(token, basic(":se:cret").c_str()));
    CHECK_FALSE(is_authorized(token, nullptr));
    for (const std::string& header :
         {std::string(""), std::string("Bearer"), std::string("Bearer "), std::string("se:cret"),
          std::string("Bearer se:cre"), std::string("Bearer se:cret "),
          std::string("Bearer se:crett"), std::string("Digest se:cret"), std::string("Basic "),
          std::string("Basic se:cret"), basic("se:cret"), basic("user:secret"), basic("user")}) {
        CAPTURE(header);
        CHECK_FALSE(is_authorized(token, header.c_str()));
    }
    CHECK(is_authorized({}, nullptr));
    CHECK(is_authorized({}, "Bearer anything"));
}

TEST_CASE("settings: mistakes name the option and what to do") {
    const auto error = [](const GlobalConfig& global) {
        const Result<HttpSettings> settings = read_http_settings(global);
        return settings ? std::string() : settings.error().message;
    };
    GlobalConfig global;
    global.metrics_token_file = "/nowhere/token";
    CHECK(error(global).empty());  // nothing is served
    global.metrics_listen = "9127";
    CHECK(error(global).rfind("metrics_token_file \"/nowhere/token\": ", 0) == 0);
    global.metrics_token = "x";
    CHECK(error(global) == "both metrics_token and metrics_token_file are set; keep one of them");
    global.metrics_token_file.clear();
    CHECK(error(global).empty());
    global.metrics_tls_key_file = "key.pem";
    CHECK(error(global) == "metrics_tls_cert_file is not set; set it, or neither of the two");
    global.metrics_tls_cert_file = "/nowhere/cert.pem";
    CHECK(error(global).rfind("metrics_tls_cert_file \"/nowhere/cert.pem\": ", 0) == 0);
}

}  // namespace
}  // namespace weir::http_test
