#include "admin/http/service.h"

#include <utility>

#include "conf/logging.h"

namespace weir {

HttpService::~HttpService() {
    stop();
}

Status HttpService::open(const HttpSettings& settings) {
    Result<std::unique_ptr<HttpServer>> server =
        HttpServer::start(*settings.address, settings.access, routes_, bridge_);
    if (!server) return tl::unexpected<Error>(server.error());
    end_server();
    server_ = std::move(*server);
    log::info("metrics and status page: listening on {} ({})", server_->address().text(),
              server_->has_tls() ? "HTTPS" : "HTTP");
    return {};
}

void HttpService::end_server() {
    if (server_ == nullptr) return;
    // One at a time: a reload waits here when the one before has just been.
    ending_ = std::jthread([server = std::move(server_)]() mutable { server.reset(); });
}

Status HttpService::start(HttpSettings settings, bool waits_for_port) {
    if (!settings.address) return {};
    Status opened = open(settings);
    if (opened || !waits_for_port) return opened;
    wanted_ = std::move(settings);
    return {};
}

Status HttpService::apply(const GlobalConfig& global) {
    if (has_let_go_) return {};
    Result<HttpSettings> next = read_http_settings(global);
    if (!next) return tl::unexpected<Error>(next.error());
    if (!next->address) {
        wanted_.reset();
        if (server_ != nullptr) log::info("metrics and status page: off");
        end_server();
        return {};
    }
    const bool has_address = server_ != nullptr && server_->address() == *next->address;
    if (has_address && server_->has_tls() == (next->access.tls != nullptr)) {
        wanted_.reset();
        server_->set_access(std::move(next->access));
        return {};
    }
    const bool is_awaited = wanted_ && wanted_->address == next->address;
    if (!has_address && !is_awaited) {
        Status opened = open(*next);
        if (opened) wanted_.reset();
        return opened;
    }
    end_server();
    wanted_ = std::move(*next);
    wanted_since_ = {};
    return {};
}

void HttpService::on_tick(Instant now) {
    if (!wanted_ || has_let_go_) return;
    const Status opened = open(*wanted_);
    if (opened) {
        wanted_.reset();
        wanted_since_ = {};
        has_complained_ = false;
        return;
    }
    if (wanted_since_.is_never()) wanted_since_ = now;
    if (has_complained_ || now - wanted_since_ < kComplainAfter) return;
    has_complained_ = true;
    log::error("{}; trying on", opened.error().message);
}

void HttpService::let_go() {
    if (has_let_go_) return;
    has_let_go_ = true;
    wanted_.reset();
    end_server();
}

void HttpService::stop() {
    has_let_go_ = true;
    wanted_.reset();
    bridge_.close();
    end_server();
    if (ending_.joinable()) ending_.join();
}

}  // namespace weir
