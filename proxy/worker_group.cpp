#include "proxy/worker_group.h"

#include <utility>

namespace weir {

void WorkerGroup::create(unsigned count, Shared& shared, const ConfigPtr& config) {
    for (unsigned i = 0; i < count; ++i) {
        const auto id = static_cast<WorkerId>(i);
        threads_.push_back(std::make_unique<WorkerThread>(id, *this, shared.clock));
        hosts_.push_back(std::make_unique<WorkerHost>(id, *this, watches_, shared, config));
        hosts_.back()->enter(threads_.back()->set(), id);
    }
}

void WorkerGroup::start(const std::vector<ListenerPtr>& listeners, bool is_folded) {
    is_folded_ = is_folded && workers() > 1;
    for (auto& host : hosts_) {
        const WorkerId driver = is_folded_ ? 0 : host->id();
        if (driver != host->id()) {
            host->leave();
            host->enter(threads_[driver]->set(), driver);
        }
        host->begin(listeners);
        threads_[driver]->drive(*host);
    }
    for (auto& thread : threads_)
        thread->start();
}

void WorkerGroup::stop() {
    settle();
    for (auto& thread : threads_)
        thread->end();
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::Stop;
    broadcast(message);
    for (auto& thread : threads_)
        thread->join();
}

void WorkerGroup::broadcast(const WorkerMessage& message) {
    for (auto& host : hosts_)
        post(host->id(), message);
}

WorkerId WorkerGroup::least_loaded(WorkerId here) const {
    WorkerId best = here;
    int fewest = hosts_[here]->worker().client_count();
    // With many clients an exact balance is not worth waking another thread for.
    fewest -= fewest / 16;
    for (const auto& host : hosts_) {
        const int count = host->worker().client_count();
        if (count < fewest) {
            fewest = count;
            best = host->id();
        }
    }
    return best;
}

int WorkerGroup::client_count() const {
    int count = 0;
    for (const auto& host : hosts_)
        count += host->worker().client_count();
    return count;
}

// ---- messages ----

void WorkerGroup::post(WorkerId to, WorkerMessage message) {
    if (hosts_[to]->post(std::move(message))) wake(*hosts_[to]);
}

void WorkerGroup::post_grant(const Grant& grant) {
    WorkerHost& host = *hosts_[grant.client.worker];
    if (host.post_grant(grant)) wake(host);
}

void WorkerGroup::wake(WorkerHost& host) {
    WorkerThread* here = WorkerThread::current();
    if (here != nullptr && here->look_at_inbox_of(host.id())) return;
    host.wake();
}

// ---- which thread drives whom ----

void WorkerGroup::fold(bool is_folded) {
    if (is_folded == is_folded_ || workers() < 2 || !is_settled()) return;
    is_folded_ = is_folded;
    {
        const std::lock_guard lock(mutex_);
        moving_ = workers() - 1;
    }
    for (unsigned i = 1; i < workers(); ++i) {
        WorkerMessage message;
        message.kind = WorkerMessage::Kind::Move;
        message.number = is_folded ? 0 : i;
        post(static_cast<WorkerId>(i), std::move(message));
    }
}

bool WorkerGroup::is_settled() {
    const std::lock_guard lock(mutex_);
    return moving_ == 0;
}

void WorkerGroup::on_arrival() {
    const std::lock_guard lock(mutex_);
    --moving_;
    arrived_.notify_all();
}

void WorkerGroup::settle() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return moving_ == 0; });
}

// ---- hand-over ----

void WorkerGroup::park() {
    settle();
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
    for (auto& host : hosts_)
        did = host->drain_parked() || did;
    return did;
}

void WorkerGroup::drop_listeners() {
    for (auto& host : hosts_)
        host->drop_listeners();
}

std::vector<WorkerContext*> WorkerGroup::contexts() {
    std::vector<WorkerContext*> out;
    for (auto& host : hosts_)
        out.push_back(&host->worker().context());
    return out;
}

}  // namespace weir
