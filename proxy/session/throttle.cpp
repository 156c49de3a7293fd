#include "proxy/session/throttle.h"

#include <sys/socket.h>

#include "proxy/session/clients.h"

namespace weir {

AddressBytes address_of(const PeerAddress& peer) {
    const std::span<const uint8_t, 16> bytes(peer.bytes);
    if (peer.family == AF_INET) return AddressBytes::from(bytes.first<4>());
    return peer.family == AF_INET6 ? AddressBytes::from(bytes) : AddressBytes();
}

Throttle::Throttle(WorkerContext& context) : ctx_(context), rules_(context.shared.rates.rules()) {}

RateSubject Throttle::subject_of(const ClientSession& session, std::string_view application_name) {
    return {address_of(session.peer), session.user, session.database, application_name};
}

bool Throttle::may_connect(const Address& peer) const {
    if (rules_->accept.empty() || peer.is_unix()) return true;
    RateSubject subject;
    subject.address = address_of(PeerAddress::from(peer));
    return !admit_arrival(rules_->accept, subject, ctx_.now);
}

Status Throttle::may_log_in(const ClientSession& session, std::string_view application_name) const {
    if (rules_->login.empty()) return {};
    const RateSubject subject = subject_of(session, application_name);
    const auto refusal = admit_arrival(rules_->login, subject, ctx_.now);
    if (!refusal) return {};
    return tl::unexpected<Error>(refusal->error("53300"));
}

void Throttle::concern(ClientSession& session, std::string_view application_name) const {
    if (session.limits == nullptr) {
        if (rules_->transaction.empty()) return;
        session.limits = std::make_unique<SessionLimits>();
    }
    session.limits->set_rules(rules_->transaction, subject_of(session, application_name));
    if (session.limits->is_empty()) session.limits.reset();
}

void Throttle::on_config() {
    rules_ = ctx_.shared.rates.rules();
}

void Throttle::on_config(ClientSession& session) const {
    if (session.login != nullptr) return;  // not in yet
    const auto index = static_cast<size_t>(ctx_.shared.names.index_of("application_name"));
    std::string_view name = session.parameters.get(index);
    if (ctx_.config->global.application_name_add_host) name = name.substr(0, name.rfind(" - "));
    concern(session, name);
    if (session.phase != ClientPhase::Throttled) return;
    session.phase = ClientPhase::Idle;
    ctx_.clients->schedule(session);
}

void Throttle::park(ClientSession& session, Instant at) const {
    if (session.phase != ClientPhase::Throttled) session.requested_at = ctx_.now;
    session.phase = ClientPhase::Throttled;
    ctx_.deadlines.arm(session, at);
}

void Throttle::on_deadline(ClientSession& session) const {
    // The deadline may have been an earlier one of its phase before.
    if (session.limits != nullptr && session.limits->again_at() > ctx_.now) {
        return ctx_.deadlines.arm(session, session.limits->again_at());
    }
    session.phase = ClientPhase::Idle;
    ctx_.clients->schedule(session);
}

}  // namespace weir
