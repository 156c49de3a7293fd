#include "proxy/worker_host.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "conf/logging.h"
#include "proxy/worker_group.h"

namespace weir {

namespace {

constexpr Duration kAcceptPause = std::chrono::milliseconds(500);
constexpr int kAcceptsPerEvent = 64;

}  // namespace

WorkerHost::WorkerHost(WorkerId id, WorkerGroup& group, WatchTable& watches, Shared& shared,
                       ConfigPtr config)
    : id_(id),
      group_(group),
      clock_(shared.clock),
      io_(id, watches, socket_options_of(config->global)),
      worker_(id, shared, io_, std::move(config)),
      wakeup_(loop_, [this] { (void)drain_inbox(); }) {
    worker_.set_now(clock_.now());
}

void WorkerHost::begin(std::vector<ListenerPtr> listeners) {
    listeners_ = std::move(listeners);
    io_.add(loop_.fd(), Watch::of(Watch::Kind::Loop, this, 0), {.read = true});
    io_.add_alarm(alarm_.fd(), Watch::of(Watch::Kind::Alarm, this, 0));
    watch_listeners();
    loop_.run_ready();  // registers the wake-up
}

void WorkerHost::enter(const EpollSet& set, WorkerId thread) {
    io_.enter(set);
    worker_.context().thread = thread;
    is_home_ = thread == id_;
    wanted_by_.reset();
    watch_listeners();
}

void WorkerHost::leave() {
    unwatch_listeners();
    io_.leave();
}

void WorkerHost::on_batch_end() {
    worker_.on_time();
    if (!accept_again_at_.is_never() && worker_.context().now >= accept_again_at_)
        watch_listeners();
}

bool WorkerHost::may_sleep() {
    int most_ms = worker_.sleep_ms();
    if (most_ms == 0) return false;
    if (!accept_again_at_.is_never() && (most_ms < 0 || most_ms > 100)) most_ms = 100;
    alarm_.ring_in(worker_.context().now, most_ms);
    return true;
}

// ---- the inbox ----

bool WorkerHost::post(WorkerMessage message) {
    const std::lock_guard lock(mutex_);
    const bool was_empty = messages_.empty() && grants_.empty();
    messages_.push_back(std::move(message));
    return was_empty;
}

bool WorkerHost::post_grant(const Grant& grant) {
    const std::lock_guard lock(mutex_);
    const bool was_empty = messages_.empty() && grants_.empty();
    grants_.push_back(grant);
    return was_empty;
}

bool WorkerHost::drain_inbox() {
    {
        const std::lock_guard lock(mutex_);
        messages_running_.swap(messages_);
        grants_running_.swap(grants_);
    }
    if (grants_running_.empty() && messages_running_.empty()) return false;
    if (worker_.is_stopped()) {
        grants_running_.clear();
        messages_running_.clear();
        return true;
    }
    worker_.context().inbox_length = grants_running_.size() + messages_running_.size();
    for (const Grant& grant : grants_running_)
        worker_.on_grant(grant);
    grants_running_.clear();
    for (WorkerMessage& message : messages_running_) {
        on_message(message);
        worker_.on_message(message);
    }
    messages_running_.clear();
    return true;
}

void WorkerHost::on_message(WorkerMessage& message) {
    switch (message.kind) {
        case WorkerMessage::Kind::NewClient:
            apply_options(message.fd, message.address, io_.options());
            break;
        case WorkerMessage::Kind::ConfigChanged:
            io_.set_options(socket_options_of(message.config->global));
            break;
        case WorkerMessage::Kind::Hold:
            is_suspended_ = true;
            unwatch_listeners();
            break;
        case WorkerMessage::Kind::Release:
            is_suspended_ = false;
            watch_listeners();
            break;
        case WorkerMessage::Kind::StopAccepting: let_listeners_go(message.flag); break;
        case WorkerMessage::Kind::Park: parking_ = std::move(message.parking); break;
        case WorkerMessage::Kind::Move: wanted_by_ = static_cast<WorkerId>(message.number); break;
        default: break;
    }
}

bool WorkerHost::drain_parked() {
    worker_.set_now(clock_.now());
    return drain_inbox();
}

void WorkerHost::drop_listeners() {
    unwatch_listeners();
    listeners_.clear();
    accept_again_at_ = {};
}

// ---- accepting ----

void WorkerHost::watch_listeners() {
    accept_again_at_ = {};
    if (are_listeners_watched_ || is_suspended_ || !is_home_ || listeners_.empty()) return;
    are_listeners_watched_ = true;
    for (const ListenerPtr& listener : listeners_) {
        const uint64_t word = static_cast<uint64_t>(listener->fd()) << 16 |
                              static_cast<uint64_t>(Watch::Kind::Listener);
        io_.add_listener(listener->fd(), {word});
    }
}

void WorkerHost::unwatch_listeners() {
    if (!are_listeners_watched_) return;
    are_listeners_watched_ = false;
    for (const ListenerPtr& listener : listeners_)
        io_.remove_listener(listener->fd());
}

// What the kernel has accepted for us is ours: closing the socket would reset it.
void WorkerHost::let_listeners_go(bool only_tcp) {
    for (const ListenerPtr& listener : listeners_) {
        if (!only_tcp || !listener->is_unix())
            (void)accept_from(*listener, std::numeric_limits<int>::max());
    }
    unwatch_listeners();
    std::erase_if(listeners_, [only_tcp](const ListenerPtr& listener) {
        return !only_tcp || !listener->is_unix();
    });
    watch_listeners();
}

void WorkerHost::on_listener(int fd) {
    if (worker_.is_stopped()) return;
    for (const ListenerPtr& listener : listeners_)
        if (listener->fd() == fd) (void)accept_from(*listener, kAcceptsPerEvent);
}

bool WorkerHost::accept_from(const Listener& listener, int most) {
    for (int i = 0; i < most; ++i) {
        WorkerMessage message;
        message.kind = WorkerMessage::Kind::NewClient;
        message.fd = accept_on(listener.fd(), message.address);
        if (message.fd == -EINTR || message.fd == -ECONNABORTED) continue;
        if (message.fd == -EMFILE || message.fd == -ENFILE || message.fd == -ENOBUFS ||
            message.fd == -ENOMEM) {
            log::error("cannot accept: out of file descriptors or memory, pausing");
            accept_again_at_ = worker_.context().now + kAcceptPause;
            unwatch_listeners();
            return false;
        }
        if (message.fd < 0) return true;
        if (listener.drops_syns()) Listener::stop_dropping(message.fd);
        const WorkerId to = group_.least_loaded(id_);
        if (to != id_) {
            group_.post(to, std::move(message));
            continue;
        }
        apply_options(message.fd, message.address, io_.options());
        worker_.on_message(message);
    }
    return false;
}

}  // namespace weir
