#include "admin/http/server.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <iterator>
#include <thread>

#include "admin/http/openssl_names.h"
#include "conf/logging.h"
#include "protocol/auth/base64.h"
#include "protocol/base/random.h"

namespace weir {

namespace {

constexpr size_t kNonceBytes = 15;
constexpr std::chrono::milliseconds kWakePause{10};

// The same whatever was asked for: texts of ours, never anything that came with the request.
HttpResponse refusal(int status) {
    const char* text = mg_get_response_code_text(nullptr, status);
    HttpResponse out{status, "text/plain; charset=utf-8", std::string(text) + "\n"};
    if (status == 405) out.headers.emplace_back("Allow", "GET, HEAD");
    if (status == 401) {
        out.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"weir\"");
        out.headers.emplace_back("WWW-Authenticate", "Basic realm=\"weir\", charset=\"UTF-8\"");
    }
    return out;
}

void send(mg_connection* connection, const HttpResponse& response, const std::string& nonce,
          bool with_body) {
    std::string out = fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
        "Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n",
        response.status, mg_get_response_code_text(nullptr, response.status), response.content_type,
        response.body.size());
    out +=
        "Content-Security-Policy: default-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'";
    if (!nonce.empty()) {
        out += fmt::format(
            "; style-src 'nonce-{0}'; script-src 'nonce-{0}'; connect-src 'self'; img-src 'self'",
            nonce);
    }
    out += "\r\n";
    for (const auto& [name, value] : response.headers)
        out += name + ": " + value + "\r\n";
    out += "\r\n";
    if (with_body) out += response.body;
    mg_write(connection, out.data(), out.size());
}

sockaddr_in sockaddr_of(const MetricsAddress& address) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(address.port);
    (void)inet_pton(AF_INET, address.host.c_str(), &out.sin_addr);
    return out;
}

// Why nobody can listen there: the library only says that it could not.
std::string why_not(const MetricsAddress& address) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return std::strerror(errno);
    const int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in in = sockaddr_of(address);
    const bool is_free =
        bind(fd, reinterpret_cast<const sockaddr*>(&in), sizeof in) == 0 && ::listen(fd, 1) == 0;
    const int reason = errno;
    ::close(fd);
    return is_free ? "the HTTP library cannot start" : std::strerror(reason);
}

// The library looks whether it is to end every two seconds, and when somebody connects.
void connect_once(const MetricsAddress& address) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return;
    const sockaddr_in in = sockaddr_of(address);  // 0.0.0.0 is this host
    (void)::connect(fd, reinterpret_cast<const sockaddr*>(&in), sizeof in);
    ::close(fd);
}

// The library is set up once, and stays so until the process ends.
void set_up_library() {
    static const unsigned features = mg_init_library(MG_FEATURES_TLS);
    (void)features;
}

}  // namespace

HttpServer::HttpServer(const MetricsAddress& address, HttpAccessRules access,
                       const HttpRoutes& routes, Bridge& bridge)
    : address_(address),
      has_tls_(access.tls != nullptr),
      routes_(routes),
      bridge_(bridge),
      access_(std::move(access)) {}

HttpServer::~HttpServer() {
    if (context_ == nullptr) return;
    const std::jthread waker([&address = address_](const std::stop_token& done) {
        std::mutex mutex;
        std::condition_variable_any never;
        std::unique_lock lock(mutex);
        while (!done.stop_requested()) {
            never.wait_for(lock, done, kWakePause, [] { return false; });
            connect_once(address);
        }
    });
    // A connection that a thread of the library takes over in this very moment is neither answered
    // nor closed by it (civetweb 1.15, consume_socket()): its client has to give up by itself.
    mg_stop(context_);
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(const MetricsAddress& address,
                                                      HttpAccessRules access,
                                                      const HttpRoutes& routes, Bridge& bridge) {
    std::unique_ptr<HttpServer> server(new HttpServer(address, std::move(access), routes, bridge));
    if (Status listening = server->listen(); !listening)
        return tl::unexpected<Error>(listening.error());
    return server;
}

Status HttpServer::listen() {
    if (has_tls_ && !has_openssl_names())
        return fail("58000",
                    "the HTTP library does not find OpenSSL, so metrics_tls_cert_file "
                    "cannot be used");
    set_up_library();
    const std::string port = address_.text() + (has_tls_ ? "s" : "");
    const std::string threads = std::to_string(kThreads), waiting = std::to_string(kWaitingMax),
                      bytes = std::to_string(kRequestBytesMax),
                      time = std::to_string(kRequestTimeMs);
    // linger_timeout_ms: none; 0 would reset a connection whose peer has not taken all yet.
    const char* options[] = {"listening_ports",
                             port.c_str(),
                             "num_threads",
                             threads.c_str(),
                             "connection_queue",
                             waiting.c_str(),
                             "listen_backlog",
                             waiting.c_str(),
                             "max_request_size",
                             bytes.c_str(),
                             "request_timeout_ms",
                             time.c_str(),
                             "linger_timeout_ms",
                             "-1",
                             "enable_keep_alive",
                             "no",
                             "enable_directory_listing",
                             "no",
                             "enable_auth_domain_check",
                             "no",
                             "decode_url",
                             "no",
                             nullptr};
    mg_callbacks callbacks{};
    callbacks.begin_request = on_request;
    callbacks.http_error = on_error;
    callbacks.log_message = on_log;
    if (has_tls_) callbacks.external_ssl_ctx = on_tls;
    mg_init_data init{&callbacks, this, options};
    context_ = mg_start2(&init, nullptr);
    if (context_ != nullptr) return {};
    return fail("58000",
                "cannot listen on " + address_.text() + " (metrics_listen): " + why_not(address_));
}

void HttpServer::set_access(HttpAccessRules access) {
    const std::lock_guard lock(mutex_);
    access_ = std::move(access);
}

HttpAccessRules HttpServer::access() const {
    const std::lock_guard lock(mutex_);
    return access_;
}

HttpResponse HttpServer::answer(const mg_connection& connection, HttpRequest& request) const {
    const mg_request_info& info = *mg_get_request_info(&connection);
    if (request.method != "GET" && request.method != "HEAD") return refusal(405);
    const size_t uri_bytes = std::strlen(info.request_uri) + request.query.size();
    if (uri_bytes > kUriBytesMax) return refusal(414);
    // The library leaves out what is beyond.
    if (info.num_headers >= MG_MAX_HEADERS) return refusal(431);
    // Nothing that we serve is asked for by a body; it is not read, the connection ends.
    if (info.content_length > 0) return refusal(413);
    if (mg_get_header(&connection, "Transfer-Encoding") != nullptr) return refusal(400);
    const HttpRoutes::Route* route = routes_.find(request.path);
    const bool is_open = route != nullptr && route->access == HttpAccess::Open;
    if (!is_open && !is_authorized(access().token, mg_get_header(&connection, "Authorization")))
        return refusal(401);
    if (route == nullptr) return refusal(404);
    std::array<uint8_t, kNonceBytes> random{};
    secure_random(random);
    request.nonce = base64_encode(random);
    return bridge_.ask(route->handler, request);
}

// ---- called by threads of the library ----

int HttpServer::on_request(mg_connection* connection) {
    const mg_request_info& info = *mg_get_request_info(connection);
    const auto text = [](const char* maybe) { return std::string(maybe == nullptr ? "" : maybe); };
    HttpRequest request{text(info.request_method), text(info.local_uri_raw),
                        text(info.query_string),
                        text(mg_get_header(connection, "Accept-Encoding"))};
    const HttpServer& self = *static_cast<const HttpServer*>(info.user_data);
    const HttpResponse response = self.answer(*connection, request);
    const bool is_page = response.content_type.rfind("text/html", 0) == 0;
    send(connection, response, is_page ? request.nonce : "", request.method != "HEAD");
    return response.status;
}

int HttpServer::on_error(mg_connection* connection, int status, const char*) {
    send(connection, refusal(status), "", true);
    return 0;
}

// What it says of single connections is what anybody can make it say.
int HttpServer::on_log(const mg_connection*, const char* text) {
    log::debug("HTTP library: {}", text);
    return 1;
}

// A context that only leads to the one in force, so that certificates can be replaced.
int HttpServer::on_tls(void** context, void* self) {
    auto& server = *static_cast<HttpServer*>(self);
    server.listening_tls_.reset(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    if (server.listening_tls_ == nullptr) return -1;
    SSL_CTX_set_client_hello_cb(server.listening_tls_.get(), on_hello, self);
    SSL_CTX_up_ref(server.listening_tls_.get());  // the library lets go of one
    *context = server.listening_tls_.get();
    return 1;
}

int HttpServer::on_hello(SSL* connection, int* alert, void* self) {
    const std::shared_ptr<SSL_CTX> tls = static_cast<const HttpServer*>(self)->access().tls;
    if (tls != nullptr && SSL_set_SSL_CTX(connection, tls.get()) != nullptr) {
        // Options are the connection's own, not its context's.
        SSL_set_options(connection, SSL_CTX_get_options(tls.get()));
        SSL_set_min_proto_version(connection, TLS1_2_VERSION);
        return SSL_CLIENT_HELLO_SUCCESS;
    }
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
}

}  // namespace weir
