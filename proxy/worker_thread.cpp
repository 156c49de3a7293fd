#include "proxy/worker_thread.h"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <limits>
#include <utility>

#include "conf/logging.h"

namespace weir {

namespace {

constexpr Duration kAcceptPause = std::chrono::milliseconds(500);
constexpr int kAcceptsPerEvent = 64;

}  // namespace

WorkerThread::WorkerThread(WorkerId id, WorkerGroup& group, Shared& shared, ConfigPtr config)
    : id_(id),
      group_(group),
      clock_(shared.clock),
      io_(socket_options_of(config->global)),
      worker_(id, shared, io_, std::move(config)),
      wakeup_(loop_, [this] { drain_inbox(); }) {
    worker_.set_now(clock_.now());
}

WorkerThread::~WorkerThread() {
    join();
}

void WorkerThread::start(std::vector<ListenerPtr> listeners) {
    listeners_ = std::move(listeners);
    thread_ = std::thread([this] { run(); });
    pthread_setname_np(thread_.native_handle(), ("weir-" + std::to_string(id_)).c_str());
}

void WorkerThread::join() {
    if (thread_.joinable()) thread_.join();
}

// The thread that asks pays for it: a worker reads no clock for this.
Duration WorkerThread::cpu_time() {
    clockid_t clock{};
    timespec time{};
    if (!thread_.joinable() || pthread_getcpuclockid(thread_.native_handle(), &clock) != 0)
        return Duration(0);
    if (clock_gettime(clock, &time) != 0) return Duration(0);
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_nsec / 1000);
}

void WorkerThread::run() {
    io_.add(loop_.fd(), Watch::of(Watch::Kind::Loop, nullptr, 0), true, false);
    io_.add_alarm(alarm_.fd(), Watch::of(Watch::Kind::Alarm, nullptr, 0));
    watch_listeners();
    loop_.run_ready();  // registers the wake-up
    while (!worker_.is_stopped()) {
        const int count = wait_for_events();
        worker_.set_now(clock_.now());
        on_events(count);
        worker_.on_time();
        if (!accept_again_at_.is_never() && worker_.context().now >= accept_again_at_)
            watch_listeners();
        if (parking_ != nullptr) std::exchange(parking_, nullptr)->park();
    }
}

int WorkerThread::wait_for_events() {
    int most_ms = worker_.sleep_ms();
    if (most_ms == 0) return io_.wait(0);
    if (!accept_again_at_.is_never() && (most_ms < 0 || most_ms > 100)) most_ms = 100;
    alarm_.ring_in(worker_.context().now, most_ms);
    return io_.wait(-1);
}

void WorkerThread::on_events(int count) {
    for (int i = 0; i < count; ++i) {
        const IoEvent event = io_.at(i);
        switch (event.watch.kind()) {
            case Watch::Kind::Loop: loop_.run_ready(); break;
            case Watch::Kind::Alarm: alarm_.on_ring(); break;
            case Watch::Kind::Listener:
                for (const ListenerPtr& listener : listeners_) {
                    if (listener->fd() == static_cast<int>(event.watch.word >> 16))
                        (void)accept_from(*listener, kAcceptsPerEvent);
                }
                break;
            default: worker_.on_event(event, i + 1 < count); break;
        }
    }
}

// ---- the inbox ----

void WorkerThread::post(WorkerMessage message) {
    bool was_empty;
    {
        const std::lock_guard lock(mutex_);
        was_empty = messages_.empty() && grants_.empty();
        messages_.push_back(std::move(message));
    }
    if (was_empty) wakeup_.wake();
}

void WorkerThread::post_grant(const Grant& grant) {
    bool was_empty;
    {
        const std::lock_guard lock(mutex_);
        was_empty = messages_.empty() && grants_.empty();
        grants_.push_back(grant);
    }
    if (was_empty) wakeup_.wake();
}

void WorkerThread::drain_inbox() {
    {
        const std::lock_guard lock(mutex_);
        messages_running_.swap(messages_);
        grants_running_.swap(grants_);
    }
    worker_.context().inbox_length = grants_running_.size() + messages_running_.size();
    for (const Grant& grant : grants_running_)
        worker_.on_grant(grant);
    grants_running_.clear();
    for (WorkerMessage& message : messages_running_) {
        if (message.kind == WorkerMessage::Kind::NewClient) {
            apply_options(message.fd, message.address, io_.options());
        } else if (message.kind == WorkerMessage::Kind::ConfigChanged) {
            io_.set_options(socket_options_of(message.config->global));
        } else if (message.kind == WorkerMessage::Kind::Hold) {
            is_suspended_ = true;
            unwatch_listeners();
        } else if (message.kind == WorkerMessage::Kind::Release) {
            is_suspended_ = false;
            watch_listeners();
        } else if (message.kind == WorkerMessage::Kind::StopAccepting) {
            let_listeners_go(message.flag);
        } else if (message.kind == WorkerMessage::Kind::Park) {
            parking_ = std::move(message.parking);
        }
        worker_.on_message(message);
    }
    messages_running_.clear();
}

bool WorkerThread::drain_parked() {
    worker_.set_now(clock_.now());
    {
        const std::lock_guard lock(mutex_);
        if (messages_.empty() && grants_.empty()) return false;
    }
    drain_inbox();
    return true;
}

void WorkerThread::drop_listeners() {
    unwatch_listeners();
    listeners_.clear();
    accept_again_at_ = {};
}

// ---- accepting ----

void WorkerThread::watch_listeners() {
    accept_again_at_ = {};
    if (are_listeners_watched_ || is_suspended_) return;
    are_listeners_watched_ = true;
    for (const ListenerPtr& listener : listeners_) {
        const uint64_t word = static_cast<uint64_t>(listener->fd()) << 16 |
                              static_cast<uint64_t>(Watch::Kind::Listener);
        io_.add_listener(listener->fd(), {word});
    }
}

void WorkerThread::unwatch_listeners() {
    if (!are_listeners_watched_) return;
    are_listeners_watched_ = false;
    for (const ListenerPtr& listener : listeners_)
        io_.remove(listener->fd());
}

// What the kernel has accepted for us is ours: closing the socket would reset it.
void WorkerThread::let_listeners_go(bool only_tcp) {
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

bool WorkerThread::accept_from(const Listener& listener, int most) {
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
        if (listener.drops_syns()) listener.clear_filter(message.fd);
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

// ---- the group ----

void WorkerGroup::create(unsigned count, Shared& shared, const ConfigPtr& config) {
    for (unsigned i = 0; i < count; ++i) {
        threads_.push_back(
            std::make_unique<WorkerThread>(static_cast<WorkerId>(i), *this, shared, config));
    }
}

void WorkerGroup::start(const std::vector<ListenerPtr>& listeners) {
    for (auto& thread : threads_)
        thread->start(listeners);
}

void WorkerGroup::stop() {
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::Stop;
    broadcast(message);
    for (auto& thread : threads_)
        thread->join();
}

void WorkerGroup::broadcast(const WorkerMessage& message) {
    for (auto& thread : threads_)
        thread->post(message);
}

WorkerId WorkerGroup::least_loaded(WorkerId here) const {
    WorkerId best = here;
    int fewest = threads_[here]->worker().client_count();
    // With many clients an exact balance is not worth waking another thread for.
    fewest -= fewest / 16;
    for (size_t i = 0; i < threads_.size(); ++i) {
        const int count = threads_[i]->worker().client_count();
        if (count < fewest) {
            fewest = count;
            best = static_cast<WorkerId>(i);
        }
    }
    return best;
}

void WorkerGroup::post(WorkerId to, WorkerMessage message) {
    threads_[to]->post(std::move(message));
}

void WorkerGroup::post_grant(const Grant& grant) {
    threads_[grant.client.worker]->post_grant(grant);
}

int WorkerGroup::client_count() const {
    int count = 0;
    for (const auto& thread : threads_)
        count += thread->worker().client_count();
    return count;
}

// ---- hand-over ----

void WorkerGroup::park() {
    parking_ = std::make_shared<ParkingLot>();
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::Park;
    message.parking = parking_;
    broadcast(message);
    parking_->wait_for(workers());
}

void WorkerGroup::unpark() {
    if (parking_ != nullptr) parking_->release();
    parking_.reset();
}

bool WorkerGroup::drain_parked() {
    bool did = false;
    for (auto& thread : threads_)
        did = thread->drain_parked() || did;
    return did;
}

void WorkerGroup::drop_listeners() {
    for (auto& thread : threads_)
        thread->drop_listeners();
}

std::vector<WorkerContext*> WorkerGroup::contexts() {
    std::vector<WorkerContext*> out;
    for (auto& thread : threads_)
        out.push_back(&thread->worker().context());
    return out;
}

}  // namespace weir
