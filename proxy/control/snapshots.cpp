#include "proxy/control/snapshots.h"

#include <memory>
#include <mutex>
#include <utility>

#include "proxy/control/tally.h"

namespace weir {

namespace {

// Collects one snapshot per worker; the last one in completes it.
class Gathering final : public SnapshotSink {
  public:
    Gathering(unsigned workers, Snapshots::Done complete)
        : snapshots_(workers), missing_(workers), complete_(std::move(complete)) {}

    void deliver(WorkerId worker, WorkerSnapshot snapshot) override {
        {
            const std::lock_guard lock(mutex_);
            snapshots_[worker] = std::move(snapshot);
            if (--missing_ > 0) return;
        }
        complete_(std::move(snapshots_));
    }

  private:
    std::mutex mutex_;
    std::vector<WorkerSnapshot> snapshots_;
    unsigned missing_;
    const Snapshots::Done complete_;
};

}  // namespace

void Snapshots::gather(Depth depth, Done done) {
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::Snapshot;
    message.flag = depth.is_brief;
    message.with_details = depth.with_details;
    ask(std::move(message), std::move(done));
}

void Snapshots::census(Instant now, std::function<void(std::vector<WorkerCensus>)> done) {
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::Census;
    message.asked_at = now;
    ask(std::move(message), [done = std::move(done)](std::vector<WorkerSnapshot> answers) {
        std::vector<WorkerCensus> all;
        for (WorkerSnapshot& answer : answers)
            all.push_back(std::move(answer.census));
        done(std::move(all));
    });
}

void Snapshots::ask(WorkerMessage message, Done done) {
    auto complete = [this, done = std::move(done)](std::vector<WorkerSnapshot> snapshots) {
        inbox_.call_later([done, all = std::move(snapshots)]() mutable { done(std::move(all)); });
    };
    message.sink = std::make_shared<Gathering>(workers_.workers(), std::move(complete));
    workers_.broadcast(message);
}

void Snapshots::count(WorkerMessage message, std::function<void(uint64_t)> done) {
    if (done) {
        auto complete = [this, done = std::move(done)](uint64_t sum) {
            inbox_.call_later([done, sum] { done(sum); });
        };
        message.tally = std::make_shared<Tally>(workers_.workers(), std::move(complete));
    }
    workers_.broadcast(message);
}

}  // namespace weir
