// Insight: takes the workers' samples and makes of them what SHOW QUERIES and SHOW SLOW tell, on a
// thread of its own. It looks at the rings on a timer, nobody wakes it for a sample; a question
// wakes it, and is answered from everything that was told before.
//
//   worker: QueryRecorder -> SampleRing  --20 times a second-->  Digester -> QueryTable, slow
//   queries
//
// The thread is started by the first configuration that has query_insight on. Answers are given by
// calling back on that thread, where a callback must neither block nor throw; when it does not run
// the answer comes at once, and there is nothing in it.
//
// Lock: mutex_ guards commands_ and is held for a push or a swap. Owner: ControlContext, longer
// than workers live. Thread: configure(), stop(): control; ring(): see SampleRing; the rest any.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "conf/config.h"
#include "protocol/base/clock.h"
#include "protocol/base/ids.h"
#include "protocol/base/siphash.h"
#include "proxy/insight/query_stats.h"
#include "proxy/insight/sample_ring.h"

namespace weir {

class Insight {
  public:
    using OnSnapshot = std::function<void(InsightSnapshot)>;

    Insight(unsigned workers, Clock& clock);
    Insight(const Insight&) = delete;
    Insight& operator=(const Insight&) = delete;
    ~Insight();

    // At start and after each change of the configuration.
    void configure(const GlobalConfig& global);
    void stop();

    [[nodiscard]] SampleRing& ring(WorkerId worker) { return *rings_[worker]; }
    // Of texts, for Sample::text_key.
    [[nodiscard]] const SipKey& key() const { return key_; }

    // The `queries_max` queries with the longest total time, and the slow ones if they are wanted.
    void snapshot(size_t queries_max, bool with_slow, OnSnapshot done);
    // All of it is forgotten, the totals too.
    void reset(std::function<void()> done);

    static constexpr size_t kSlowKept = 500;

  private:
    class Loop;
    using Command = std::function<void(Loop&)>;

    // False when there is nobody to run it.
    bool post(Command command);
    void run();

    Clock& clock_;
    SipKey key_;
    std::vector<std::unique_ptr<SampleRing>> rings_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<Command> commands_;
    bool is_accepting_ = false;  // guarded by mutex_: the thread runs and will look again
    std::thread thread_;
};

}  // namespace weir
