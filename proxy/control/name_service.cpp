#include "proxy/control/name_service.h"

#include <algorithm>
#include <utility>

#include "conf/logging.h"

namespace weir {

namespace {

// Whoever asked has to have the answer while it is fresh.
constexpr Duration kFreshMin = std::chrono::milliseconds(100);

}  // namespace

std::string zone_of(const std::string& host) {
    const size_t dot = host.find('.');
    if (dot == std::string::npos || dot + 1 == host.size()) return {};
    return host.substr(dot + 1);
}

Status NameService::open() {
    return resolver_.open(ctx_.config->global.resolv_conf);
}

void NameService::resolve(const std::string& host) {
    ++questions_;
    resolver_.resolve(host, [this, host](std::vector<std::string> ips, const std::string& error) {
        --questions_;
        if (!is_ending_) on_resolved(host, std::move(ips), error);
    });
}

void NameService::on_resolved(const std::string& host, std::vector<std::string> ips,
                              const std::string& error) {
    const Instant now = ctx_.clock.now();
    const GlobalConfig& global = ctx_.config->global;
    if (error.empty()) {
        if (failing_.erase(host) > 0) ctx_.note(ProcessEvent::Kind::Dns, host, "found again");
        const std::vector<std::string> gone =
            ctx_.hosts.put(host, std::move(ips), now + std::max(global.dns_max_ttl, kFreshMin));
        if (!gone.empty()) {
            for (const std::string& ip : gone)
                log::info("DNS: {} no longer has the address {}", host, ip);
            ctx_.note(ProcessEvent::Kind::Dns, host, "addresses gone",
                      fmt::format("{}", fmt::join(gone, ", ")));
            ctx_.janitor.close_gone(host, gone);
        }
    } else {
        log::warning("DNS lookup failed: {}: {}", host, error);
        if (failing_.size() < kFailingMax && failing_.insert(host).second)
            ctx_.note(ProcessEvent::Kind::Dns, host, "lookup failed", error);
        ctx_.hosts.put_failure(host, error, now + std::max(global.dns_nxdomain_ttl, kFreshMin));
    }
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::Resolved;
    message.text = host;
    ctx_.workers.broadcast(message);
}

// ---- zones ----

std::map<std::string, std::vector<std::string>> NameService::hosts_by_zone() const {
    std::map<std::string, std::vector<std::string>> out;
    for (const HostTable::Row& row : ctx_.hosts.rows()) {
        std::string zone = zone_of(row.host);
        if (!zone.empty()) out[std::move(zone)].push_back(row.host);
    }
    return out;
}

void NameService::on_tick(Instant now) {
    const Duration period = ctx_.config->global.dns_zone_check_period;
    if (period.count() == 0) {
        serials_.clear();
        return;
    }
    if (!checked_at_.is_never() && now - checked_at_ < period) return;
    checked_at_ = now;
    check_zones();
}

void NameService::check_zones() {
    const auto zones = hosts_by_zone();
    std::erase_if(serials_, [&zones](const auto& known) { return !zones.contains(known.first); });
    for (const auto& [zone, hosts] : zones) {
        ++questions_;
        resolver_.ask_serial(zone, [this, zone = zone](std::optional<uint32_t> serial) {
            --questions_;
            if (serial) on_serial(zone, *serial);
        });
    }
}

void NameService::on_serial(const std::string& zone, uint32_t serial) {
    const auto known = serials_.find(zone);
    const bool is_changed = known != serials_.end() && known->second != serial;
    serials_[zone] = serial;
    if (!is_changed) return;
    log::info("DNS: zone {} has changed, serial {}", zone, serial);
    const auto zones = hosts_by_zone();
    const auto found = zones.find(zone);
    if (found == zones.end()) return;
    for (const std::string& host : found->second) {
        if (ctx_.hosts.begin_lookup(host)) resolve(host);
    }
}

std::vector<HostTable::Zone> NameService::zones() const {
    if (ctx_.config->global.dns_zone_check_period.count() == 0) return {};
    std::vector<HostTable::Zone> out;
    for (const auto& [zone, hosts] : hosts_by_zone()) {
        const auto serial = serials_.find(zone);
        out.push_back({zone, serial == serials_.end() ? 0 : serial->second, hosts.size()});
    }
    return out;
}

}  // namespace weir
