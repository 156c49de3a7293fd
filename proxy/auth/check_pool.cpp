#include "proxy/auth/check_pool.h"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>

#include "conf/logging.h"

namespace weir {

struct CheckPool::State {
    using Shared = std::shared_ptr<State>;
    using Time = std::chrono::steady_clock::time_point;

    explicit State(Options given) : options(std::move(given)) {}

    // All of these with the mutex held. `self`: this object, as threads hold it.
    bool make_thread(const Shared& self);
    void make_spare(const Shared& self);
    void drop_abandoned();
    [[nodiscard]] bool may_begin(Time now) const;
    [[nodiscard]] Time next_overdue(Time now) const;
    void run_one(const Shared& self, std::unique_lock<std::mutex>& lock);

    void run(const Shared& self);

    const Options options;
    mutable std::mutex mutex;
    std::condition_variable work;   // a job has come, or may be begun
    std::condition_variable ended;  // a job, or a thread, has
    std::deque<Job> queue;
    std::list<Time> running;  // since when
    unsigned threads = 0;
    unsigned free_threads = 0;
    bool is_stopping = false;
};

bool CheckPool::State::make_thread(const Shared& self) {
    if (threads >= options.threads_max) return false;
    try {
        std::thread thread([self] { self->run(self); });
        pthread_setname_np(thread.native_handle(), options.name.substr(0, 15).c_str());
        thread.detach();
    } catch (const std::system_error& error) {  // the system has no thread for us
        log::error("{}: cannot start a thread: {}", options.name, error.what());
        return false;
    }
    ++threads;
    ++free_threads;  // until it takes a job
    return true;
}

// There is always one that waits, to take over from one that is stuck.
void CheckPool::State::make_spare(const Shared& self) {
    if (free_threads == 0) make_thread(self);
}

void CheckPool::State::drop_abandoned() {
    std::erase_if(queue,
                  [](const Job& job) { return job.is_abandoned && job.is_abandoned->load(); });
}

bool CheckPool::State::may_begin(Time now) const {
    const auto healthy = std::count_if(running.begin(), running.end(),
                                       [&](Time since) { return now - since < options.overdue; });
    return static_cast<size_t>(healthy) < options.concurrency;
}

CheckPool::State::Time CheckPool::State::next_overdue(Time now) const {
    Time next = Time::max();
    for (const Time since : running) {
        if (now - since < options.overdue) next = std::min(next, since + options.overdue);
    }
    return next;
}

void CheckPool::State::run_one(const Shared& self, std::unique_lock<std::mutex>& lock) {
    Job job = std::move(queue.front());
    queue.pop_front();
    if (job.is_abandoned && job.is_abandoned->load()) return;
    const auto entry = running.insert(running.end(), std::chrono::steady_clock::now());
    --free_threads;
    make_spare(self);
    lock.unlock();
    job.run();
    job = {};  // what it holds goes before anybody is told that it has ended
    lock.lock();
    ++free_threads;
    running.erase(entry);
    work.notify_one();
    ended.notify_all();
}

void CheckPool::State::run(const Shared& self) {
    std::unique_lock lock(mutex);
    while (!is_stopping) {
        const Time now = std::chrono::steady_clock::now();
        if (queue.empty()) {
            work.wait(lock);
        } else if (may_begin(now)) {
            run_one(self, lock);
        } else {
            work.wait_until(lock, next_overdue(now));
        }
    }
    --threads;
    --free_threads;
    ended.notify_all();
}

CheckPool::CheckPool(Options options) : state_(std::make_shared<State>(std::move(options))) {}

CheckPool::~CheckPool() {
    stop(std::chrono::milliseconds(0));
}

bool CheckPool::submit(Job job) {
    const std::lock_guard lock(state_->mutex);
    if (state_->is_stopping) return false;
    if (state_->queue.size() >= state_->options.queue_max) state_->drop_abandoned();
    if (state_->queue.size() >= state_->options.queue_max) return false;
    state_->make_spare(state_);
    if (state_->threads == 0) return false;
    state_->queue.push_back(std::move(job));
    state_->work.notify_one();
    return true;
}

bool CheckPool::stop(std::chrono::milliseconds patience) {
    std::unique_lock lock(state_->mutex);
    state_->is_stopping = true;
    state_->queue.clear();
    state_->work.notify_all();
    return state_->ended.wait_for(lock, patience, [this] { return state_->threads == 0; });
}

CheckPool::Counts CheckPool::counts() const {
    const std::lock_guard lock(state_->mutex);
    return {state_->queue.size(), state_->running.size(), state_->threads};
}

}  // namespace weir
