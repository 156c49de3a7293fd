// SHOW DNS_HOSTS and SHOW DNS_ZONES: what is known of host names.
#include <algorithm>

#include "admin/console/show_specs.h"
#include "conf/value.h"

namespace weir {

namespace {

constexpr ResultColumn kHostColumns[] = {{"hostname"}, {"ttl", ColumnType::Int8}, {"addrs"}};
constexpr ResultColumn kZoneColumns[] = {
    {"zonename"}, {"serial", ColumnType::Int8}, {"count", ColumnType::Int4}};

// Addresses have no port here; PgBouncer prints the 0 of theirs.
std::string with_port(const std::string& ip) {
    const bool is_v6 = ip.find(':') != std::string::npos;
    return is_v6 ? "[" + ip + "]:0" : ip + ":0";
}

void show_dns_hosts(const ShowInput& input, CommandOutcome& outcome) {
    const Instant now = input.inspector.now();
    for (const HostTable::Row& row : input.inspector.dns_hosts()) {
        std::vector<std::string> addresses;
        std::transform(row.ips.begin(), row.ips.end(), std::back_inserter(addresses), with_port);
        const bool is_fresh = now < row.fresh_until;
        const auto ttl = std::chrono::duration_cast<std::chrono::seconds>(
            is_fresh ? row.fresh_until - now : Duration(0));
        outcome.rows.push_back({row.host, ttl.count(), join_list(addresses)});
    }
}

// Those that are polled (dns_zone_check_period).
void show_dns_zones(const ShowInput& input, CommandOutcome& outcome) {
    for (const HostTable::Zone& zone : input.inspector.dns_zones())
        outcome.rows.push_back({zone.name, uint64_t{zone.serial}, zone.hosts});
}

}  // namespace

constinit const ShowSpec kShowDnsHosts = {
    .topic = "DNS_HOSTS", .columns = kHostColumns, .fill = show_dns_hosts};
constinit const ShowSpec kShowDnsZones = {
    .topic = "DNS_ZONES", .columns = kZoneColumns, .fill = show_dns_zones};

}  // namespace weir
