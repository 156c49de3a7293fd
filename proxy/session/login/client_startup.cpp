// ClientLogin: the start-up packet, the requests for encryption that may come before it, and the
// parameters in it.
#include <algorithm>

#include "conf/limits.h"
#include "conf/logging.h"
#include "conf/port_targets.h"
#include "protocol/message/writer.h"
#include "proxy/session/cancel/cancels.h"
#include "proxy/session/clients.h"
#include "proxy/session/log_peer.h"
#include "proxy/session/login/client_login.h"

namespace weir {

namespace {

bool contains(const std::vector<std::string>& list, std::string_view name) {
    return std::any_of(list.begin(), list.end(),
                       [&](const std::string& entry) { return equals_ignoring_case(entry, name); });
}

}  // namespace

size_t ClientLogin::on_startup(ByteView input) {
    const Result<uint32_t> total = startup_packet_bytes(input);
    if (!total) {
        fail(total.error());
        return input.size();
    }
    if (*total == 0 || input.size() < *total) return 0;
    const Result<StartupPacket> packet = parse_startup_packet(input.first(*total));
    if (!packet) {
        fail(packet.error());
        return input.size();
    }
    switch (packet->kind) {
        case StartupPacket::Kind::SslRequest:
        case StartupPacket::Kind::GssEncRequest:
            // Nothing may stand behind such a request: it would be plain text taken for protected.
            if (input.size() > *total || ++encryption_requests_ > 2) {
                fail(Error("08P01", "received unencrypted data after an encryption request"));
                return input.size();
            }
            answer_encryption_request(packet->kind == StartupPacket::Kind::SslRequest);
            return *total;
        case StartupPacket::Kind::Cancel:
            ctx_.cancels->on_request(session_, packet->cancel_key);
            return input.size();
        case StartupPacket::Kind::Startup: on_startup_message(*packet); return *total;
    }
    return *total;
}

void ClientLogin::answer_encryption_request(bool is_for_tls) {
    if (is_for_tls && session_.tls != nullptr) return fail(Error("08P01", "SSL req inside SSL"));
    const TlsContextPtr& tls = ctx_.tls->client;
    if (!is_for_tls || tls == nullptr || session_.is_unix) return ctx_.clients->send(session_, "N");
    const uint32_t life = session_.generation;
    ctx_.clients->send(session_, "S");
    if (session_.generation != life) return;
    // The answer itself goes out in the clear.
    if (!session_.outbox.empty()) return ctx_.clients->close(session_, "client connection lost");
    ctx_.clients->accept_tls(session_, false);
}

// The certificate, which is only asked for to be verified.
void ClientLogin::take_identity() {
    const bool is_verified =
        session_.tls != nullptr && session_.tls->context()->verify() != TlsVerify::Nothing;
    if (!is_verified) return;
    if (std::optional<CertificateNames> names = session_.tls->names()) {
        PeerIdentity& identity = authentication_.identity;
        identity.has_certificate = true;
        identity.common_name = std::move(names->common_name);
        identity.alternative_names = std::move(names->dns_names);
    }
}

void ClientLogin::on_startup_message(const StartupPacket& packet) {
    session_.phase = ClientPhase::Authenticating;
    if (log::is_enabled(LogLevel::Debug)) {
        for (const auto& [name, value] : packet.parameters) {
            if (name == "application_name") {
                log::debug(log_peer(ctx_, session_), "using application_name: {}", value);
            } else {
                log::debug(log_peer(ctx_, session_), "got var: {}={}", name, value);
            }
        }
    }
    const bool is_plain = session_.tls == nullptr && !session_.is_unix;
    if (is_plain && ctx_.config->global.client_tls_sslmode >= SslMode::Require)
        return fail(Error("08P01", "SSL required"));
    take_identity();
    const Negotiation negotiation = negotiate(packet);
    session_.has_long_key = negotiation.version == kProtocol32;
    if (negotiation.needed) {
        std::string text;
        write_negotiate_protocol_version(text, negotiation.version, negotiation.unknown_options);
        session_.outbox.append(as_bytes(text));
    }
    session_.user = packet.find("user");
    session_.database = packet.find("database");
    if (session_.user.empty()) return fail(Error("08P01", "no username supplied"));
    if (session_.user.size() > kUserNameBytesMax) return fail(Error("08P01", "username too long"));
    if (session_.database.empty()) session_.database = session_.user;
    if (Status taken = take_parameters(packet); !taken) return fail(taken.error());
    enter_database();
}

Status ClientLogin::take_parameters(const StartupPacket& packet) {
    if (packet.has("replication")) {
        const Result<Replication> replication = parse_replication(packet.find("replication"));
        if (!replication) return tl::unexpected<Error>(replication.error());
        session_.replication = *replication;
    }
    for (const auto& [name, value] : packet.parameters) {
        if (name == "user" || name == "database" || name == "replication" ||
            name.starts_with("_pq_."))
            continue;
        Status taken = name == "options" ? take_options(value) : take_parameter(name, value, false);
        if (!taken) return taken;
    }
    return {};
}

Status ClientLogin::take_parameter(std::string_view name, std::string_view value,
                                   bool is_from_options) {
    if (const int index = ctx_.shared.names.index_of(name); index >= 0) {
        wanted_.emplace_back(static_cast<size_t>(index), value);
        return {};
    }
    const std::vector<std::string>& ignored = ctx_.config->global.ignore_startup_parameters;
    if (contains(ignored, name)) return {};
    if (name == "target_session_attrs") {
        const Result<TargetSessionAttrs> wanted = parse_target_session_attrs(value);
        if (!wanted) {
            return tl::unexpected<Error>(
                Error("22023", "invalid target_session_attrs: " + wanted.error().message));
        }
        wanted_attrs_ = *wanted;
        return {};
    }
    if (is_from_options) {
        if (contains(ignored, "options")) return {};
        return tl::unexpected<Error>(
            Error("08P01", "unsupported startup parameter in options: " + std::string(name)));
    }
    return tl::unexpected<Error>(
        Error("08P01", "unsupported startup parameter: " + std::string(name)));
}

Status ClientLogin::take_options(std::string_view text) {
    if (session_.replication != Replication::None) {
        replication_options_ = text;  // its server is its own: whatever it takes is allowed
        return {};
    }
    // Other text is refused even where unknown settings are ignored, as in PgBouncer.
    const auto settings = parse_startup_options(text);
    if (!settings) return tl::unexpected<Error>(settings.error());
    for (const auto& [name, value] : *settings) {
        if (Status taken = take_parameter(name, value, true); !taken) return taken;
    }
    return {};
}

}  // namespace weir
