#include "proxy/session/host_lookup.h"

#include <utility>

#include "conf/host.h"

namespace weir {

namespace {

HostTable::Answer look_up(const WorkerContext& ctx, const std::string& name) {
    HostTable::Answer answer = ctx.shared.hosts.lookup(name, ctx.now);
    if (answer.must_resolve) {
        ControlMessage message;
        message.kind = ControlMessage::Kind::Resolve;
        message.text = name;
        ctx.shared.exchange.post_control(std::move(message));
    }
    return answer;
}

Result<Address> socket_in(const WorkerContext& ctx, const std::string& host, uint16_t port) {
    const std::string& folder = host.empty() ? ctx.config->global.unix_socket_dir : host;
    auto address = Address::from_unix(unix_socket_path(folder.empty() ? "/tmp" : folder, port));
    if (!address) address.error().sqlstate = "08006";
    return address;
}

}  // namespace

std::optional<Result<Address>> address_of(const WorkerContext& ctx, const std::string& host,
                                          uint16_t port) {
    if (host.empty() || is_unix_host(host)) return socket_in(ctx, host, port);
    const HostTable::Answer answer = look_up(ctx, host);
    switch (answer.kind) {
        case HostTable::Answer::Kind::Pending: break;
        case HostTable::Answer::Kind::Failed:
            return fail("08006", "DNS lookup failed: " + host + ": " + answer.error);
        case HostTable::Answer::Kind::Known: return Address::from_ip(answer.ip, port);
    }
    return std::nullopt;
}

}  // namespace weir
