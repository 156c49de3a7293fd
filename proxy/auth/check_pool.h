// CheckPool: threads for calls into libraries that block for as long as they like (PAM modules,
// libldap). Jobs are begun in their order, at most `concurrency` at a time; one that has run for
// `overdue` no longer counts, and another thread goes on with the queue, so that a call that never
// returns holds up only its own client. Everything has a limit: jobs beyond `queue_max` are
// refused, and once `threads_max` threads are stuck nothing is begun until one of them returns.
//
// Threads are made when there is work. They share the state with the pool and are not joined: a
// stuck one must not keep the process from ending, see stop(). One lock guards the state; it is not
// held while a job runs. Owner: PasswordChecks. Thread: any (mutex).
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace weir {

class CheckPool {
  public:
    struct Options {
        std::string name;  // of its threads and in the log
        unsigned concurrency = 1;
        unsigned threads_max = 8;
        size_t queue_max = 100;
        std::chrono::milliseconds overdue{3000};
    };
    struct Job {
        std::function<void()> run;  // on a thread of the pool
        // Set by whoever no longer wants the answer: then it is not begun. May be null.
        std::shared_ptr<const std::atomic<bool>> is_abandoned;
    };

    explicit CheckPool(Options options);
    ~CheckPool();
    CheckPool(const CheckPool&) = delete;
    CheckPool& operator=(const CheckPool&) = delete;

    // False: the queue is full, or the pool has been stopped; the job will not be run.
    bool submit(Job job);

    // Forgets the queue and waits up to `patience` for jobs that run. False = some still run, and
    // the process must not be torn down under them (std::_Exit).
    bool stop(std::chrono::milliseconds patience);

    struct Counts {
        size_t queued = 0, running = 0;
        unsigned threads = 0;
    };
    [[nodiscard]] Counts counts() const;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace weir
