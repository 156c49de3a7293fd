#include "proxy/worker_thread.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <ctime>
#include <utility>

#include "proxy/worker_group.h"

namespace weir {

namespace {

thread_local WorkerThread* running = nullptr;

}  // namespace

WorkerThread::WorkerThread(WorkerId id, WorkerGroup& group, Clock& clock)
    : id_(id), group_(group), clock_(clock), now_(clock.now()) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = Watch::of(Watch::Kind::Loop, nullptr, 0).word;
    WEIR_CHECK(epoll_ctl(set_.fd(), EPOLL_CTL_ADD, loop_.fd(), &event) == 0);
    loop_.run_ready();  // registers the wake-up
}

WorkerThread::~WorkerThread() {
    join();
}

WorkerThread* WorkerThread::current() {
    return running;
}

void WorkerThread::drive(WorkerHost& host) {
    hosts_[host.id()] = &host;
    driven_ |= bit(host.id());
}

void WorkerThread::start() {
    thread_ = std::thread([this] { run(); });
    pthread_setname_np(thread_.native_handle(), ("weir-" + std::to_string(id_)).c_str());
}

void WorkerThread::arrive(WorkerHost& host) {
    {
        const std::lock_guard lock(mutex_);
        arrivals_.push_back(&host);
    }
    wakeup_.wake();
}

void WorkerThread::end() {
    is_ending_.store(true, std::memory_order_release);
    wakeup_.wake();
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
    running = this;
    tid_.store(gettid(), std::memory_order_relaxed);
    while (!is_over()) {
        const int count = wait();
        begin_batch();
        for (int i = 0; i < count; ++i) {
            on_event(set_.at(i), i + 1 < count);
            if (has_post_ != 0) drain_inboxes();
        }
        end_batch();
        send_off();
        park();
    }
}

bool WorkerThread::is_over() const {
    if (!is_ending_.load(std::memory_order_acquire)) return false;
    bool are_stopped = true;
    for_each(driven_, [&](WorkerHost& host) { are_stopped &= host.worker().is_stopped(); });
    return are_stopped;
}

int WorkerThread::wait() {
    return set_.wait(restless_ != 0 ? 0 : -1);
}

void WorkerThread::begin_batch() {
    now_ = clock_.now();
    touched_ = 0;
    for_each(restless_, [this](WorkerHost& host) { touch(host); });
}

void WorkerThread::touch(WorkerHost& host) {
    touched_ |= bit(host.id());
    host.set_now(now_);
}

WorkerHost* WorkerThread::host_of(const IoEvent& event) const {
    if (std::has_single_bit(driven_)) return hosts_[static_cast<size_t>(std::countr_zero(driven_))];
    WorkerId worker = kNoWorker;
    switch (event.watch.kind()) {
        case Watch::Kind::Client:
            worker = event.watch.object<ClientSession>()->client.worker;
            break;
        case Watch::Kind::Server:
            worker = event.watch.object<ServerConnection>()->load_owner().worker;
            break;
        case Watch::Kind::Cancel: worker = event.watch.object<CancelConnection>()->worker; break;
        case Watch::Kind::Peer: worker = event.watch.object<PeerConnection>()->worker; break;
        default: break;
    }
    return worker < kMaxWorkers ? hosts_[worker] : nullptr;
}

void WorkerThread::on_event(const IoEvent& event, bool more_come) {
    switch (event.watch.kind()) {
        case Watch::Kind::Loop:
        case Watch::Kind::Alarm: {
            auto* host = event.watch.object<WorkerHost>();
            if (host == nullptr) return loop_.run_ready();
            touch(*host);
            return event.watch.kind() == Watch::Kind::Loop ? host->on_loop() : host->on_alarm();
        }
        case Watch::Kind::Listener:
            touch(*hosts_[id_]);
            return hosts_[id_]->on_listener(static_cast<int>(event.watch.word >> 16));
        default: break;
    }
    WorkerHost* host = host_of(event);
    if (host == nullptr) return;
    touch(*host);
    host->on_event(event, more_come);
}

// ---- between hosts ----

bool WorkerThread::look_at_inbox_of(WorkerId worker) {
    if (hosts_[worker] == nullptr) return false;
    has_post_ |= bit(worker);
    return true;
}

// What is done may post more.
void WorkerThread::drain_inboxes() {
    while (has_post_ != 0) {
        for_each(std::exchange(has_post_, 0), [this](WorkerHost& host) {
            touch(host);
            host.drain_inbox();
        });
    }
}

void WorkerThread::end_batch() {
    do {
        drain_inboxes();
        for_each(touched_, [](WorkerHost& host) { host.on_batch_end(); });
    } while (has_post_ != 0);
    restless_ = 0;
    for_each(touched_, [this](WorkerHost& host) {
        if (!host.may_sleep()) restless_ |= bit(host.id());
    });
}

// ---- from thread to thread ----

void WorkerThread::send_off() {
    for_each(touched_, [this](WorkerHost& host) {
        if (!host.wanted_by()) return;
        hosts_[host.id()] = nullptr;
        driven_ &= ~bit(host.id());
        restless_ &= ~bit(host.id());
        const WorkerId to = *host.wanted_by();
        host.leave();
        group_.thread(to).arrive(host);
    });
}

void WorkerThread::take_arrivals() {
    std::vector<WorkerHost*> arrivals;
    {
        const std::lock_guard lock(mutex_);
        arrivals.swap(arrivals_);
    }
    for (WorkerHost* host : arrivals) {
        drive(*host);
        host->enter(set_, id_);
        touch(*host);  // its deadlines may have passed meanwhile
        group_.on_arrival();
    }
}

// When all that are driven here have been told.
void WorkerThread::park() {
    std::shared_ptr<ParkingLot> lot;
    bool have_all = true;
    for_each(driven_, [&](WorkerHost& host) {
        have_all &= host.parking() != nullptr;
        lot = host.parking();
    });
    if (lot == nullptr || !have_all) return;
    for_each(driven_, [](WorkerHost& host) { host.forget_parking(); });
    lot->park(static_cast<unsigned>(std::popcount(driven_)));
}

}  // namespace weir
