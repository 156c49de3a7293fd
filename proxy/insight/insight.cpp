#include "proxy/insight/insight.h"

#include <deque>
#include <utility>

#include "conf/logging.h"
#include "protocol/base/random.h"
#include "proxy/insight/digester.h"
#include "proxy/insight/query_table.h"
#include "proxy/leaks/query_text.h"

namespace weir {

namespace {

constexpr std::chrono::milliseconds kInterval{50};
// Of one ring, before the others and questions have their turn.
constexpr size_t kDrainedAtOnce = 512;
constexpr uint32_t kSlowLinesPerSecond = 20;

struct Settings {
    bool is_on = false;
    bool logs_slow = false;
    size_t digests_max = 1000;
    uint16_t port = 0;
};

LogPeer peer_of(const Sample& sample, const SampleTexts& texts, uint16_t port) {
    LogPeer out;
    out.id = sample.client_id;
    out.database = texts.database;
    out.user = texts.user;
    out.is_unix = sample.peer.family == AF_UNIX;
    out.host = sample.peer.host();
    out.port = out.is_unix ? port : sample.peer.port;
    return out;
}

}  // namespace

// What the thread has; nobody else touches it.
class Insight::Loop {
  public:
    Loop(const SipKey& key, Clock& clock, std::vector<std::unique_ptr<SampleRing>>& rings)
        : clock_(clock), rings_(rings), digester_(key, clock) {}

    void configure(const Settings& settings) {
        settings_ = settings;
        table_.set_rows_max(settings.digests_max);
    }

    // Takes what is there; false when there may be more.
    bool drain() {
        bool is_all = true;
        for (const std::unique_ptr<SampleRing>& ring : rings_) {
            const size_t count = ring->drain(
                kDrainedAtOnce,
                [this](const Sample& sample, const SampleTexts& texts) { take(sample, texts); });
            if (count == kDrainedAtOnce) is_all = false;
        }
        return is_all;
    }

    // All that was there when it was called, and maybe more.
    void drain_all() {
        constexpr size_t kRecordsMax = SampleRing::kBytes / sizeof(Sample);
        for (size_t rounds = kRecordsMax / kDrainedAtOnce + 1; rounds > 0 && !drain(); --rounds) {
        }
    }

    InsightSnapshot snapshot(size_t queries_max, bool with_slow) const {
        InsightSnapshot out;
        out.is_on = settings_.is_on;
        out.queries = table_.top(queries_max);
        out.others = table_.others();
        if (with_slow) out.slow.assign(slow_.begin(), slow_.end());
        out.totals = totals();
        return out;
    }

    void reset() {
        table_.clear();
        slow_.clear();
        queries_ = slow_count_ = 0;
        zero_ = totals();
    }

  private:
    void take(const Sample& sample, const SampleTexts& texts) {
        const Shape& shape = digester_.shape_of(sample, texts.sql);
        queries_ += sample.weight;
        table_.add(sample, texts, shape);
        if (sample.is_slow) note_slow(sample, texts, shape);
    }

    void note_slow(const Sample& sample, const SampleTexts& texts, const Shape& shape) {
        SlowQuery slow;
        slow.ended = {sample.ended_us};
        slow.duration_us = sample.duration_us;
        slow.wait_us = sample.wait_us;
        slow.rows = sample.rows;
        slow.bytes_out = sample.bytes_out;
        slow.client = peer_of(sample, texts, settings_.port);
        slow.application_name = shown_text(texts.application_name, kSampleNameBytesMax);
        slow.server_pid = sample.server_pid;
        slow.sqlstate = sample.sqlstate;
        slow.is_abandoned = sample.end == SampleEnd::Abandoned;
        slow.digest = shape.digest;
        slow.query = shape.query;
        ++slow_count_;
        if (settings_.logs_slow) log_slow(slow);
        slow_.push_back(std::move(slow));
        if (slow_.size() > kSlowKept) slow_.pop_front();
    }

    void log_slow(const SlowQuery& slow) {
        const std::optional<uint64_t> suppressed = lines_.admit(clock_.now());
        if (!suppressed) return;
        std::string text = fmt::format(
            "slow query: duration={:.3f} ms wait={:.3f} ms rows={} server_pid={} digest={:016x}",
            static_cast<double>(slow.duration_us) / 1000, static_cast<double>(slow.wait_us) / 1000,
            slow.rows, slow.server_pid, slow.digest);
        if (slow.sqlstate[0] != 0)
            text += " error=" + std::string(slow.sqlstate.data(), slow.sqlstate.size());
        if (slow.is_abandoned) text += " abandoned";
        if (!slow.application_name.empty()) text += " app=\"" + slow.application_name + "\"";
        text += " query: " + slow.query;
        if (*suppressed > 0) text += fmt::format(" ({} more suppressed)", *suppressed);
        log::info(slow.client, "{}", text);
    }

    [[nodiscard]] InsightTotals totals() const {
        InsightTotals out;
        for (const std::unique_ptr<SampleRing>& ring : rings_) {
            out.samples += ring->taken.get();
            out.dropped += ring->dropped.get();
        }
        const Digester::Counters& counters = digester_.counters();
        out.parsed = counters.parsed - zero_.parsed;
        out.unparsed = counters.unparsed - zero_.unparsed;
        out.over_budget = counters.over_budget - zero_.over_budget;
        out.samples -= zero_.samples;
        out.dropped -= zero_.dropped;
        out.queries = queries_;
        out.slow = slow_count_;
        out.digests = table_.size();
        out.evicted = table_.evicted();
        out.bytes = table_.bytes() + digester_.bytes() + rings_.size() * SampleRing::kBytes;
        for (const SlowQuery& slow : slow_)
            out.bytes += sizeof slow + slow.query.capacity();
        return out;
    }

    Clock& clock_;
    std::vector<std::unique_ptr<SampleRing>>& rings_;
    Settings settings_;
    Digester digester_;
    QueryTable table_;
    std::deque<SlowQuery> slow_;
    uint64_t queries_ = 0, slow_count_ = 0;
    InsightTotals zero_;  // of the counters that cannot be reset: what they were then
    RateLimit lines_{kSlowLinesPerSecond};
};

Insight::Insight(unsigned workers, Clock& clock) : clock_(clock) {
    secure_random({reinterpret_cast<uint8_t*>(key_.data()), sizeof key_});
    for (unsigned i = 0; i < workers; ++i)
        rings_.push_back(std::make_unique<SampleRing>());
}

Insight::~Insight() {
    stop();
}

void Insight::configure(const GlobalConfig& global) {
    Settings settings;
    settings.is_on = global.query_insight;
    settings.logs_slow = global.log_slow_queries;
    settings.digests_max = static_cast<size_t>(global.query_digests_max);
    settings.port = static_cast<uint16_t>(global.listen_port);
    if (!thread_.joinable()) {
        if (!settings.is_on) return;
        is_accepting_ = true;
        thread_ = std::thread([this] { run(); });
    }
    post([settings](Loop& loop) { loop.configure(settings); });
}

void Insight::stop() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        is_accepting_ = false;
    }
    wake_.notify_one();
    thread_.join();
}

bool Insight::post(Command command) {
    {
        const std::lock_guard lock(mutex_);
        if (!is_accepting_) return false;
        commands_.push_back(std::move(command));
    }
    wake_.notify_one();
    return true;
}

void Insight::snapshot(size_t queries_max, bool with_slow, OnSnapshot done) {
    const bool is_asked = post([queries_max, with_slow, done](Loop& loop) {
        loop.drain_all();
        done(loop.snapshot(queries_max, with_slow));
    });
    if (!is_asked) done({});
}

void Insight::reset(std::function<void()> done) {
    const bool is_asked = post([done](Loop& loop) {
        loop.drain_all();
        loop.reset();
        done();
    });
    if (!is_asked) done();
}

void Insight::run() {
    Loop loop(key_, clock_, rings_);
    std::vector<Command> running;
    bool is_all = true;
    while (true) {
        {
            std::unique_lock lock(mutex_);
            wake_.wait_for(lock, is_all ? kInterval : std::chrono::milliseconds(0),
                           [this] { return !is_accepting_ || !commands_.empty(); });
            running.swap(commands_);
            if (!is_accepting_ && running.empty()) return;
        }
        for (const Command& command : running)
            command(loop);
        running.clear();
        is_all = loop.drain();
    }
}

}  // namespace weir
