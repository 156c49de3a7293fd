#include "proxy/control/handing_over.h"

#include <unistd.h>

#include <algorithm>
#include <future>
#include <utility>

#include "conf/logging.h"
#include "proxy/control/late_session.h"
#include "proxy/session/clients.h"
#include "proxy/takeover/collect.h"
#include "proxy/takeover/fields.h"
#include "proxy/takeover/letting_go.h"
#include "proxy/takeover/staying.h"
#include "proxy/takeover/world_wire.h"

namespace weir {

namespace {

constexpr Duration kPatience = std::chrono::seconds(30);
constexpr Duration kLatePatience = std::chrono::seconds(1);
constexpr Duration kKeptIdle = std::chrono::seconds(10);
constexpr Duration kLook = std::chrono::milliseconds(2);
constexpr Duration kLongLook = std::chrono::milliseconds(20);

}  // namespace

Status HandingOver::check() const {
    if (orders_.is_suspended()) return fail("55006", "it is suspended: RESUME first");
    if (stage_ == Stage::Nothing) return {};
    return fail("55006", "another process is taking over already");
}

void HandingOver::start(int fd) {
    auto channel = std::make_unique<HandoverChannel>(fd);
    if (!check()) return;  // it reads the end of the stream
    if (thread_.joinable()) thread_.join();
    channel_ = std::move(channel);
    stage_ = Stage::Asked;
    log::info("process {} asks to take over", channel_->peer_pid());
    ctx_.note(ProcessEvent::Kind::Takeover, fmt::format("process {}", channel_->peer_pid()),
              "asks to take over");
    thread_ = std::thread([this] { run(); });
}

void HandingOver::cancel() {
    is_cancelled_.store(true);
    if (stage_ == Stage::Frozen) ctx_.workers.unpark();
    if (channel_ != nullptr) channel_->interrupt();
    if (thread_.joinable()) thread_.join();
}

bool HandingOver::is_over() const {
    return is_gone() && ctx_.shared.in_transit.load() == 0 && ctx_.workers.client_count() == 0;
}

// ---- the conversation's thread ----

// The control thread's answer; false when the process ends.
bool HandingOver::ask(std::function<bool()> question) {
    auto answer = std::make_shared<std::promise<bool>>();
    std::future<bool> future = answer->get_future();
    inbox_.call_later([question = std::move(question), answer] { answer->set_value(question()); });
    while (future.wait_for(kLongLook) != std::future_status::ready) {
        if (is_cancelled_.load()) return false;
    }
    return future.get();
}

void HandingOver::run() {
    const Status done = converse();
    if (done) return serve_visitors();
    if (is_cancelled_.load()) return;
    const std::string why = done.error().message;
    ask([this, why] {
        log::warning("the hand-over is off: {}", why);
        ctx_.note(ProcessEvent::Kind::Takeover, fmt::format("process {}", channel_->peer_pid()),
                  "failed", why);
        if (stage_ == Stage::Frozen) thaw();
        hold_opening(false);
        channel_.reset();
        stage_ = Stage::Nothing;
        return true;
    });
}

Status HandingOver::converse() {
    HandoverChannel& channel = *channel_;
    const Status ended = fail("57P01", "the process ends");
    const Duration limit =
        std::max(ctx_.config->global.suspend_timeout, Duration(std::chrono::seconds(1)));
    const auto in = [](Duration time) { return SystemClock().now() + time; };
    channel.set_deadline(in(kPatience));
    Status said = channel.send(HandoverTag::Hello, WEIR_VERSION);
    if (said) said = channel.flush();
    if (!said) return said;
    Result<HandoverChannel::Frame> frame = channel.receive();
    if (!frame) return tl::unexpected<Error>(frame.error());
    if (frame->tag != static_cast<char>(HandoverTag::Begin))
        return fail("08P01", "it does not know how to take over");
    const Instant patience = in(limit);
    while (!ask([this] { return is_settled(); })) {
        if (is_cancelled_.load()) return ended;
        if (SystemClock().now() >= patience) break;  // they are closed, and opened again there
        if (Status there = channel.let_pass(kLook); !there) return there;
    }
    channel.set_deadline(in(limit));
    if (!ask([this] {
            freeze();
            return true;
        }))
        return ended;
    if (Status sent = send_world(channel, world_); !sent) return sent;
    frame = channel.receive();
    if (!frame) return tl::unexpected<Error>(frame.error());
    if (frame->tag != static_cast<char>(HandoverTag::Ready))
        return fail("08P01", "unexpected answer");
    said = channel.send(HandoverTag::Go);
    if (said) said = channel.flush();
    if (!said) return said;
    channel.set_deadline({});
    ask([this, pidfile = frame->body] {
        let_go(pidfile);
        return true;
    });
    return {};
}

void HandingOver::serve_visitors() {
    while (true) {
        const Result<HandoverChannel::Frame> frame = channel_->receive();
        if (!frame) break;
        if (frame->fd < 0) continue;
        if (static_cast<HandoverTag>(frame->tag) == HandoverTag::Visitor) {
            deal_late(ctx_, *frame);
        } else {
            ::close(frame->fd);
        }
    }
    // It has ended before us: nobody can follow.
    ctx_.shared.successor.store(nullptr, std::memory_order_release);
}

// ---- the control thread ----

void HandingOver::hold_opening(bool is_held) {
    ctx_.pools.for_each_database(
        [is_held](DatabaseState& state) { state.is_opening_held.store(is_held); });
}

bool HandingOver::is_settled() {
    hold_opening(true);
    size_t opening = 0;
    ctx_.pools.for_each_pool([&opening](const Pool& pool) { opening += pool.counts().opening; });
    return opening == 0;
}

void HandingOver::freeze() {
    ctx_.workers.park();
    stage_ = Stage::Frozen;
    while (ctx_.workers.drain_parked()) {
    }
    const std::vector<WorkerContext*> contexts = ctx_.workers.contexts();
    world_ = collect(contexts, ctx_.shared, *ctx_.config);
    world_.process.is_paused = orders_.is_paused();
    world_.process.pid = static_cast<uint64_t>(getpid());
    world_.process.notify_socket = ctx_.service.socket();
    world_.process.watchdog = ctx_.service.watchdog();
    world_.process.hears_visitors = true;
    for (const ListenerPtr& listener : ctx_.listeners.all())
        world_.listeners.push_back({.fd = listener->fd()});
}

void HandingOver::thaw() {
    world_ = {};
    ctx_.workers.unpark();
}

void HandingOver::let_go(const std::string& pidfile) {
    const size_t sessions = world_.sessions.size();
    const size_t servers = world_.servers.size();
    world_ = {};
    ctx_.workers.drop_listeners();
    weir::let_go(ctx_.workers.contexts(), ctx_.shared);
    ctx_.listeners.let_go();
    pidfile_.let_go(pidfile);
    stage_ = Stage::Gone;
    ctx_.shared.successor.store(this, std::memory_order_release);
    hold_opening(false);  // for those who stay
    keep_little();
    ctx_.workers.unpark();
    ctx_.service.succeeded_by(channel_->peer_pid());
    log::info("process {} has taken over {} clients and {} servers", channel_->peer_pid(), sessions,
              servers);
    ctx_.note(ProcessEvent::Kind::Takeover, fmt::format("process {}", channel_->peer_pid()),
              "has taken over", fmt::format("{} clients and {} servers", sessions, servers));
    if (const int staying = ctx_.workers.client_count(); staying > 0)
        log::info("{} clients stay here until they leave, or have logged in", staying);
}

// Two processes have servers of a pool now, each up to pool_size: here no more than who stays uses,
// and not for long. The configuration is the other process's from now on, see Reloading.
void HandingOver::keep_little() {
    auto config = std::make_shared<Config>(*ctx_.config);
    config->global.min_pool_size = 0;
    for (auto& [name, database] : config->databases)
        database.min_pool_size = 0;
    if (config->wildcard_database) config->wildcard_database->min_pool_size = 0;
    Duration& idle = config->global.server_idle_timeout;
    idle = idle.count() == 0 ? kKeptIdle : std::min(idle, kKeptIdle);
    ctx_.config = std::move(config);
    ctx_.is_succeeded = true;
    ctx_.pools.configure(*ctx_.config);
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::ConfigChanged;
    message.config = ctx_.config;
    ctx_.workers.broadcast(message);
}

// ---- those who come later ----

bool HandingOver::follow(WorkerContext& ctx, ClientSession& session) {
    if (is_encrypted(session)) return false;
    auto handed = std::make_shared<HandedSession>(collect_login(session));
    ctx_.shared.in_transit.fetch_add(1);  // before the session is gone: see is_over()
    handed->fd = ctx.clients->detach(session);
    inbox_.call_later([this, handed] { send_late(*handed); });
    return true;
}

void HandingOver::send_late(const HandedSession& session) {
    Status sent = channel_->send(HandoverTag::Late, write_record(session), session.fd);
    if (sent) sent = channel_->flush_by(ctx_.clock.now() + kLatePatience);
    if (!sent) log::warning("a login is lost: {}", sent.error().message);
    ::close(session.fd);
    ctx_.shared.in_transit.fetch_sub(1);
}

void HandingOver::send_link(const HandedLink& link) {
    Status sent = channel_->send(HandoverTag::Link, write_record(link), link.fd);
    if (sent) sent = channel_->flush_by(ctx_.clock.now() + kLatePatience);
    if (!sent) log::warning("a process before this one is lost sight of: {}", sent.error().message);
    ::close(link.fd);
}

}  // namespace weir
