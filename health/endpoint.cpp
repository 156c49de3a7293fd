#include "health/endpoint.h"

#include <bit>
#include <utility>

#include "health/score.h"

namespace weir {

namespace {

// One word, so that a worker never sees the state of one moment with the weight of another.
constexpr unsigned kRoleShift = 8;
constexpr uint64_t kPanicBit = 1U << 16;
constexpr uint64_t kProbedBit = 1U << 17;
constexpr uint64_t kWatchedBit = 1U << 18;
constexpr uint64_t kOpenBit = 1U << 19;
constexpr uint64_t kConnectOpenBit = 1U << 20;
constexpr uint64_t kRouteMask = 0xFFFFFFFF;  // all but the weight
constexpr unsigned kWeightShift = 32;

uint64_t pack(const EndpointVerdict& verdict) {
    return static_cast<uint64_t>(verdict.state) |
           static_cast<uint64_t>(verdict.role) << kRoleShift | (verdict.is_panic ? kPanicBit : 0) |
           (verdict.is_probed ? kProbedBit : 0) | (verdict.is_watched ? kWatchedBit : 0) |
           (verdict.is_open ? kOpenBit : 0) | (verdict.is_connect_open ? kConnectOpenBit : 0) |
           static_cast<uint64_t>(std::bit_cast<uint32_t>(verdict.weight)) << kWeightShift;
}

EndpointVerdict unpack(uint64_t word) {
    EndpointVerdict verdict;
    verdict.state = static_cast<HealthState>(word & 0xFF);
    verdict.role = static_cast<Role>((word >> kRoleShift) & 0xFF);
    verdict.is_panic = (word & kPanicBit) != 0;
    verdict.is_probed = (word & kProbedBit) != 0;
    verdict.is_watched = (word & kWatchedBit) != 0;
    verdict.is_open = (word & kOpenBit) != 0;
    verdict.is_connect_open = (word & kConnectOpenBit) != 0;
    verdict.weight = std::bit_cast<float>(static_cast<uint32_t>(word >> kWeightShift));
    return verdict;
}

std::string address_text(const std::string& host, uint16_t port) {
    const bool is_ipv6 = !host.starts_with('/') && host.find(':') != std::string::npos;
    return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace

Endpoint::Endpoint(std::string host, uint16_t port, unsigned worker_count, EventFd& wakeup)
    : verdict_(pack(EndpointVerdict())),
      latency_floor_us_(HealthOptions().latency_floor.count()),
      trial_timeout_us_(HealthOptions().trial_timeout.count()),
      intake_(worker_count),
      wakeup_(wakeup),
      host_(std::move(host)),
      port_(port),
      address_(address_text(host_, port_)) {}

EndpointVerdict Endpoint::verdict() const {
    return unpack(verdict_.load(std::memory_order_relaxed));
}

EndpointPosition Endpoint::position() const {
    EndpointPosition position;
    // Before lsn, which is then of this probe or of a later one.
    position.asked_at = {asked_at_us_.load(std::memory_order_acquire)};
    const int64_t lag = lag_us_.load(std::memory_order_relaxed);
    if (lag >= 0) position.lag = Duration(lag);
    const int64_t bytes = lag_bytes_.load(std::memory_order_relaxed);
    if (bytes >= 0) position.lag_bytes = static_cast<uint64_t>(bytes);
    position.lsn = lsn_.load(std::memory_order_relaxed);
    position.primary_lsn = primary_lsn_.load(std::memory_order_relaxed);
    return position;
}

double Endpoint::base_weight(double configured) const {
    const float weight = weight_override_.load(std::memory_order_relaxed);
    return weight < 0 ? configured : static_cast<double>(weight);
}

void Endpoint::report_success(WorkerId worker) {
    if (verdict().is_watched) intake_.count_success(worker);
}

void Endpoint::report_login(WorkerId worker) {
    if (verdict().is_watched) intake_.count_login(worker);
}

void Endpoint::report_latency(WorkerId worker, Duration latency) {
    if (!verdict().is_watched) return;
    HealthOptions options;
    options.latency_floor = Duration(latency_floor_us_.load(std::memory_order_relaxed));
    intake_.count_latency(worker, log_latency(latency, options));
}

void Endpoint::report_failure(Outcome outcome, Instant now) {
    const Evidence evidence = evidence_of(outcome);
    if (evidence == Evidence::None || evidence == Evidence::Success) return;
    IntakeEvent event;
    event.outcome = outcome;
    event.at = now;
    push(event);
}

void Endpoint::note_hot_standby(bool is_standby, Instant now) {
    if (!verdict().is_watched) return;
    const int8_t noted = is_standby ? 1 : 0;
    const bool is_news = noted_standby_.exchange(noted, std::memory_order_relaxed) != noted;
    const Role role = verdict().role;
    // What contradicts the verdict is worth a look, however often it was said.
    const bool contradicts = is_standby ? role == Role::Primary : role != Role::Primary;
    if (!is_news && !contradicts) return;
    IntakeEvent event;
    event.kind = IntakeEvent::Kind::HotStandby;
    event.is_standby = is_standby;
    event.at = now;
    push(event);
}

bool Endpoint::may_take_trial(int64_t taken_at_us, Instant now) const {
    const EndpointVerdict now_is = verdict();
    if (now_is.state != HealthState::HalfOpen || now_is.is_open) return false;
    // One whose holder never reported is forgotten, as in trial_token.h.
    const int64_t timeout = trial_timeout_us_.load(std::memory_order_relaxed);
    return taken_at_us == 0 || now.us - taken_at_us >= timeout;
}

bool Endpoint::has_free_trial(Instant now) const {
    return may_take_trial(trial_taken_at_us_.load(std::memory_order_relaxed), now);
}

std::optional<TrialTicket> Endpoint::try_take_trial(Instant now) {
    int64_t taken_at = trial_taken_at_us_.load(std::memory_order_relaxed);
    if (!may_take_trial(taken_at, now)) return std::nullopt;
    if (!trial_taken_at_us_.compare_exchange_strong(taken_at, now.us, std::memory_order_relaxed)) {
        return std::nullopt;
    }
    return TrialTicket{now};
}

// The ticket stays out until the health thread has seen the result: the next trial must not start
// before a failure of this one has closed the door.
void Endpoint::report_trial(const TrialTicket& ticket, Outcome outcome, Instant now) {
    IntakeEvent event;
    event.kind = IntakeEvent::Kind::Trial;
    event.outcome = outcome;
    event.at = now;
    event.trial_taken_at = ticket.taken_at;
    push(event);
}

bool Endpoint::publish(const EndpointVerdict& verdict, const EndpointPosition& position) {
    const uint64_t word = pack(verdict);
    const uint64_t before = verdict_.load(std::memory_order_relaxed);
    lag_us_.store(position.lag ? position.lag->count() : -1, std::memory_order_relaxed);
    lag_bytes_.store(position.lag_bytes ? static_cast<int64_t>(*position.lag_bytes) : -1,
                     std::memory_order_relaxed);
    lsn_.store(position.lsn, std::memory_order_relaxed);
    primary_lsn_.store(position.primary_lsn, std::memory_order_relaxed);
    asked_at_us_.store(position.asked_at.us, std::memory_order_release);
    if (word == before) return false;  // spares all workers a cache miss
    verdict_.store(word, std::memory_order_relaxed);
    const bool is_as_sick = is_sick(verdict) == is_sick(unpack(before));
    if (((word ^ before) & kRouteMask) == 0 && is_as_sick) return false;
    version_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

void Endpoint::publish_options(const HealthOptions& options) {
    latency_floor_us_.store(options.latency_floor.count(), std::memory_order_relaxed);
    trial_timeout_us_.store(options.trial_timeout.count(), std::memory_order_relaxed);
}

void Endpoint::set_weight(std::optional<double> weight) {
    weight_override_.store(weight ? static_cast<float>(*weight) : -1.0F, std::memory_order_relaxed);
}

bool Endpoint::redeem(Instant ticket) {
    int64_t expected = ticket.us;
    return trial_taken_at_us_.compare_exchange_strong(expected, 0, std::memory_order_relaxed);
}

void Endpoint::push(const IntakeEvent& event) {
    if (verdict().is_watched && intake_.push(event)) wakeup_.wake();
}

}  // namespace weir
