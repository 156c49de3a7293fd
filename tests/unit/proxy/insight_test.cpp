// Goal: what workers tell of queries arrives whole and in order, within bounds, never waits, and
// sums stay right whatever is passed over or has to make room.
// Method: each part by itself; rings and traces also with random lengths against a plain model.
#include <doctest/doctest.h>

#include <deque>
#include <future>
#include <numeric>
#include <thread>

#include "protocol/base/random.h"
#include "proxy/insight/digester.h"
#include "proxy/insight/fingerprint.h"
#include "proxy/insight/insight.h"
#include "proxy/insight/query_table.h"
#include "proxy/insight/query_trace.h"
#include "proxy/insight/sample_ring.h"
#include "proxy/insight/sampler.h"
#include "proxy/session/relay/query_recorder.h"
#include "tests/support/sim_net.h"

namespace weir::insight_test {
namespace {

using std::chrono::milliseconds;

Sample sample_of(uint64_t duration_us, uint32_t weight = 1) {
    Sample sample;
    sample.duration_us = duration_us;
    sample.weight = weight;
    sample.ended_us = 1000;
    return sample;
}

// ---- the ring ----

TEST_CASE("what was pushed into a ring is drained in order, whatever its length") {
    SampleRing ring(8192);
    Prng random(7);
    std::deque<std::string> model;
    uint64_t pushed = 0, drained = 0, refused = 0;
    for (int round = 0; round < 20'000; ++round) {
        if (random.chance(60)) {
            const std::string sql(random.below(1500), static_cast<char>('a' + round % 26));
            if (ring.push(sample_of(pushed), {"db", "user", "name", sql})) {
                model.push_back(sql.substr(0, kSampleTextBytesMax));
                ++pushed;
            } else {
                ++refused;
            }
            continue;
        }
        const size_t most = random.below(5);
        const size_t count = ring.drain(most, [&](const Sample& sample, const SampleTexts& texts) {
            CHECK(sample.duration_us == drained);
            CHECK(texts.database == "db");
            CHECK(texts.user == "user");
            CHECK(texts.application_name == "name");
            REQUIRE(!model.empty());
            CHECK(texts.sql == model.front());
            model.pop_front();
            ++drained;
        });
        CHECK(count <= most);
    }
    CHECK(refused > 0);
    CHECK(pushed - drained == model.size());
}

TEST_CASE("a ring is written and read by two threads at the same time") {
    SampleRing ring(8192);
    constexpr uint64_t kCount = 20'000;
    std::thread writer([&ring] {
        const std::string text(500, 'x');
        for (uint64_t i = 0; i < kCount;) {
            const std::string_view sql = std::string_view(text).substr(0, i % 500);
            if (ring.push(sample_of(i), {"d", "u", "", sql})) {
                ++i;
            } else {
                std::this_thread::yield();
            }
        }
    });
    uint64_t next = 0, wrong = 0;
    while (next < kCount) {
        ring.drain(100, [&](const Sample& sample, const SampleTexts& texts) {
            if (sample.duration_us != next || texts.sql.size() != next % 500) ++wrong;
            ++next;
        });
        std::this_thread::yield();
    }
    writer.join();
    CHECK(wrong == 0);
}

TEST_CASE("names longer than a sample has room for are cut") {
    SampleRing ring(8192);
    const std::string name(300, 'n');
    REQUIRE(ring.push(sample_of(1), {name, name, name, "select"}));
    ring.drain(1, [&](const Sample&, const SampleTexts& texts) {
        CHECK(texts.database.size() == kSampleNameBytesMax);
        CHECK(texts.application_name.size() == kSampleNameBytesMax);
        CHECK(texts.sql == "select");
    });
}

// ---- the sampler ----

TEST_CASE("few queries are all told, each for itself") {
    Sampler sampler(1);
    sampler.set_budget(1000);
    for (int i = 0; i < 5000; ++i)
        CHECK(sampler.weigh(false, Instant{1'000'000} + milliseconds(2) * i) == 1);
}

TEST_CASE("of many queries some are told, and their weights add up to all") {
    for (const int per_second : {3000, 50'000, 1'000'000}) {
        CAPTURE(per_second);
        Sampler sampler(2);
        sampler.set_budget(1000);
        uint64_t told = 0, sum = 0, last = 0;
        const auto all = static_cast<uint64_t>(per_second) * 5;
        for (uint64_t i = 0; i < all; ++i) {
            const Instant now{1'000'000 + static_cast<int64_t>(i * 1'000'000 / per_second)};
            const uint32_t weight = sampler.weigh(false, now);
            told += weight > 0 ? 1 : 0;
            sum += weight;
            if (weight > 0) last = i;
        }
        CHECK(sum == last + 1);
        CHECK(told <= 5 * 2 * 1000);
        CHECK(told >= 5 * 400);
    }
}

TEST_CASE("a pattern of the traffic is told in its proportions") {
    Sampler sampler(3);
    sampler.set_budget(1000);
    std::array<uint64_t, 7> sums{};
    constexpr int kAll = 700'000;
    for (int i = 0; i < kAll; ++i) {
        const uint32_t weight = sampler.weigh(false, Instant{1'000'000 + i * 10});
        sums[static_cast<size_t>(i % 7)] += weight;
    }
    for (const uint64_t sum : sums)
        CHECK(static_cast<double>(sum) == doctest::Approx(kAll / 7).epsilon(0.15));
}

TEST_CASE("remarkable queries are told for themselves, within a budget") {
    Sampler sampler(4);
    sampler.set_budget(100);  // 10 in a window
    const Instant now{1'000'000};
    for (int i = 0; i < 10; ++i)
        CHECK(sampler.weigh(true, now) == 1);
    uint64_t told = 0, sum = 0;
    for (int i = 0; i < 10'000; ++i) {
        const uint32_t weight = sampler.weigh(true, now);
        told += weight > 0 ? 1 : 0;
        sum += weight;
    }
    CHECK(told < 200);
    CHECK(sum <= 10'000);
}

TEST_CASE("the next one stands for what could not be told") {
    Sampler sampler(5);
    sampler.set_budget(1000);
    CHECK(sampler.weigh(false, Instant{1'000'000}) == 1);
    sampler.put_back(1);
    CHECK(sampler.weigh(false, Instant{1'000'000}) == 2);
}

// ---- what is in flight ----

TEST_CASE("a request goes by the text of its last statement, up to its NUL") {
    QueryTrace trace;
    trace.begin(5);
    CHECK(trace.wait_us == 5);
    trace.note(std::string_view("begin\0rest", 10));
    trace.note(std::string_view("select 1\0", 9));
    trace.open().executes = true;
    trace.close();
    const QueryTrace::Request request = trace.finish();
    CHECK(trace.text_of(request) == "select 1");
    CHECK(!request.is_cut);
    CHECK(request.kind == SampleKind::Query);
    trace.next(0);
    CHECK(trace.wait_us == 0);
}

TEST_CASE("a text that is not here as a whole is cut") {
    QueryTrace trace;
    trace.begin(0);
    trace.note("select");  // its message goes on
    trace.close();
    CHECK(trace.finish().is_cut);
    const std::string exact(kSampleTextBytesMax, 'x');
    trace.note(exact + std::string(1, '\0'));
    trace.close();
    const QueryTrace::Request request = trace.finish();
    CHECK(!request.is_cut);
    CHECK(trace.text_of(request) == exact);
    trace.note(exact + "y" + std::string(1, '\0'));
    trace.close();
    CHECK(trace.finish().is_cut);
}

TEST_CASE("a batch that executes nothing is a preparation") {
    QueryTrace trace;
    trace.begin(0);
    trace.note(std::string_view("select 1\0", 9));
    trace.close();
    CHECK(trace.finish().kind == SampleKind::Preparation);
}

TEST_CASE("texts of requests in flight are kept apart, or lost, never mixed up") {
    QueryTrace trace;
    Prng random(11);
    trace.begin(0);
    std::deque<std::string> model;  // "" = it may have been lost
    uint64_t whole = 0, number = 0;
    for (int round = 0; round < 50'000; ++round) {
        if (model.size() < 40 && random.chance(50)) {
            ++number;
            const std::string text =
                std::to_string(number) + "_" +
                std::string(random.below(400), static_cast<char>('a' + number % 26));
            trace.note(text + std::string(1, '\0'));
            trace.open().executes = true;
            trace.close();
            model.push_back(text);
        } else if (!model.empty()) {
            const QueryTrace::Request request = trace.finish();
            const std::string_view text = trace.text_of(request);
            const std::string& sent = model.front();
            CHECK((text == sent || (request.is_cut && sent.starts_with(text)) || text.empty()));
            if (text == sent) ++whole;
            model.pop_front();
            trace.next(static_cast<uint32_t>(model.size()));
        }
    }
    CHECK(whole > number / 4);
}

TEST_CASE("requests that the server drops are not waited for") {
    QueryTrace trace;
    trace.begin(0);
    for (const char* text : {"a", "b", "c"}) {
        trace.note(text + std::string(1, '\0'));
        trace.close();
    }
    CHECK(trace.text_of(trace.finish()) == "a");
    trace.next(1);  // one of two was dropped
    CHECK(trace.text_of(trace.finish()) == "c");
}

TEST_CASE("names of statements are known until the next lease") {
    QueryTrace trace;
    trace.begin(0);
    trace.define("s1", 17);
    trace.define("", 18);
    CHECK(trace.find("s1") == 17);
    CHECK(trace.find("") == 18);
    CHECK(trace.find("s2") == 0);
    trace.begin(0);
    CHECK(trace.find("s1") == 0);
}

TEST_CASE("rows are the last number of what a server says when a command is complete") {
    CHECK(QueryRecorder::rows_of(std::string_view("SELECT 5\0", 9)) == 5);
    CHECK(QueryRecorder::rows_of("INSERT 0 12") == 12);
    CHECK(QueryRecorder::rows_of("COPY 1000") == 1000);
    CHECK(QueryRecorder::rows_of("UPDATE 0") == 0);
    CHECK(QueryRecorder::rows_of("CREATE TABLE") == 0);
    CHECK(QueryRecorder::rows_of("BEGIN") == 0);
    CHECK(QueryRecorder::rows_of("SELECT ") == 0);
    CHECK(QueryRecorder::rows_of("77") == 0);
    CHECK(QueryRecorder::rows_of("SELECT 99999999999999999999999") == 0);
    CHECK(QueryRecorder::rows_of("") == 0);
}

// ---- digests ----

TEST_CASE("a fingerprint does not depend on literals, space, comments and lengths of lists") {
    const auto one = fingerprint("select * from t where id in (1, 2, 3)");
    REQUIRE(one);
    CHECK(fingerprint("SELECT * FROM t /* x */ WHERE id IN ($1)") == one);
    CHECK(fingerprint("select * from u where id in (1)") != one);
    CHECK(!fingerprint("select frm where"));
    CHECK(!fingerprint(""));
    CHECK(!fingerprint("select " + std::string(2000, '(') + "1" + std::string(2000, ')')));
}

struct DigesterRig {
    sim::SimClock clock;
    Digester digester{SipKey{1, 2}, clock};
    Sample sample;
    Shape of(std::string_view sql) { return digester.shape_of(sample, sql); }
};

TEST_CASE("texts that differ in literals share a digest, and literals are not shown") {
    DigesterRig rig;
    const Shape one = rig.of("select 'secret' from t where a = 1");
    CHECK(one.is_parsed);
    CHECK(one.query == "select ? from t where a = ?");
    const Shape two = rig.of("select 'other' from t where a = 77");
    CHECK(two.digest == one.digest);
    CHECK(two.key == one.key);
    CHECK(rig.digester.counters().parsed == 1);
    const Shape three = rig.of("select 'other' from t where a > 1");
    CHECK(three.digest != one.digest);
}

TEST_CASE("what cannot be parsed goes by its masked text") {
    DigesterRig rig;
    const Shape one = rig.of("selekt 'a'");
    CHECK(!one.is_parsed);
    CHECK(one.digest != 0);
    CHECK(rig.of("selekt 'b'").digest == one.digest);
    CHECK(rig.digester.counters().unparsed == 1);
    rig.sample.is_cut = true;
    const Shape cut = rig.of("select 'literal that goes o");
    CHECK(!cut.is_parsed);
    CHECK(cut.query == "select ?...");
}

TEST_CASE("of a session that reads strings otherwise nothing is shown but the verb") {
    DigesterRig rig;
    rig.sample.is_opaque = true;
    const Shape shape = rig.of("update t set a = 'x\\' secret '");
    CHECK(shape.query.find("secret") == std::string::npos);
    CHECK(shape.query.starts_with("(update ..."));
    rig.sample.is_opaque = false;
    CHECK(rig.of("update t set a = 'x'").query == "update t set a = ?");
}

TEST_CASE("a text is found again by its key") {
    DigesterRig rig;
    rig.sample.text_key = 99;
    CHECK(rig.of("").digest == 0);
    const Shape known = rig.of("select $1 + 1");
    CHECK(rig.of("").digest == known.digest);
    rig.sample.text_key = 0;
    CHECK(rig.of("").query == "(no statement)");
    rig.sample.kind = SampleKind::FunctionCall;
    CHECK(rig.of("").query == "(function call)");
}

// ---- the table ----

Shape shape(uint64_t digest) {
    return {digest, digest, "query " + std::to_string(digest), true};
}

TEST_CASE("a query of another user or database is another row") {
    QueryTable table;
    table.add(sample_of(10), {"a", "u", "", ""}, shape(1));
    table.add(sample_of(30, 2), {"a", "u", "", ""}, shape(1));
    table.add(sample_of(10), {"b", "u", "", ""}, shape(1));
    table.add(sample_of(10), {"a", "v", "", ""}, shape(1));
    CHECK(table.size() == 3);
    const std::vector<QueryStats> top = table.top(1);
    REQUIRE(top.size() == 1);
    CHECK(top[0].calls == 3);
    CHECK(top[0].total_us == 70);
    CHECK(top[0].max_us == 30);
    CHECK(top[0].query == "query 1");
}

TEST_CASE("the table is bounded, keeps what matters, and its sums are right") {
    QueryTable table;
    table.set_rows_max(100);
    uint64_t calls = 0;
    for (uint64_t i = 1; i <= 10'000; ++i) {
        table.add(sample_of(1), {"a", "u", "", ""}, shape(i));  // comes once
        if (i % 10 == 0) table.add(sample_of(1000), {"a", "u", "", ""}, shape(1'000'000));
        calls += i % 10 == 0 ? 2 : 1;
        CHECK(table.size() <= 100);
    }
    const std::vector<QueryStats> top = table.top(1000);
    CHECK(top[0].digest == 1'000'000);
    CHECK(top[0].calls == 1000);
    uint64_t sum = table.others().calls;
    for (const QueryStats& stats : top)
        sum += stats.calls;
    CHECK(sum == calls);
    CHECK(table.evicted() + table.size() == 10'001);
    table.set_rows_max(10);
    CHECK(table.size() == 10);
    CHECK(table.top(1)[0].digest == 1'000'000);
}

TEST_CASE("errors, preparations and what was given up are counted") {
    QueryTable table;
    Sample sample = sample_of(10);
    sample.end = SampleEnd::Failed;
    sample.sqlstate = {'2', '2', '0', '1', '2'};
    table.add(sample, {"a", "u", "", ""}, shape(1));
    sample.end = SampleEnd::Abandoned;
    table.add(sample, {"a", "u", "", ""}, shape(1));
    sample = sample_of(5);
    sample.kind = SampleKind::Preparation;
    table.add(sample, {"a", "u", "", ""}, shape(1));
    const QueryStats stats = table.top(1)[0];
    CHECK(stats.errors == 2);
    CHECK(stats.calls == 2);
    CHECK(stats.preparations == 1);
    CHECK(stats.latency.count() == 2);
    CHECK(std::string(stats.last_error.data(), 5) == "22012");
}

// ---- the thread ----

TEST_CASE("a question is answered from all that was told before, and reset forgets it") {
    SystemClock clock;
    Insight insight(2, clock);
    const auto ask = [&insight] {
        std::promise<InsightSnapshot> answer;
        insight.snapshot(10, true,
                         [&answer](InsightSnapshot s) { answer.set_value(std::move(s)); });
        return answer.get_future().get();
    };
    CHECK(!ask().is_on);  // it does not run: nothing, at once
    GlobalConfig global;
    global.query_insight = true;
    insight.configure(global);
    Sample slow = sample_of(5'000'000);
    slow.is_slow = true;
    REQUIRE(insight.ring(0).push(sample_of(100, 3), {"db", "u", "app", "select 1"}));
    REQUIRE(insight.ring(1).push(slow, {"db", "u", "app", "select 2"}));
    InsightSnapshot snapshot = ask();
    CHECK(snapshot.is_on);
    REQUIRE(snapshot.queries.size() == 1);
    CHECK(snapshot.queries[0].calls == 4);
    CHECK(snapshot.totals.queries == 4);
    REQUIRE(snapshot.slow.size() == 1);
    CHECK(snapshot.slow[0].query == "select ?");
    CHECK(snapshot.slow[0].application_name == "app");
    std::promise<void> done;
    insight.reset([&done] { done.set_value(); });
    done.get_future().wait();
    snapshot = ask();
    CHECK(snapshot.queries.empty());
    CHECK(snapshot.slow.empty());
    CHECK(snapshot.totals.queries == 0);
    for (size_t i = 0; i < Insight::kSlowKept + 10; ++i) {
        REQUIRE(insight.ring(0).push(slow, {"db", "u", "app", "select 2"}));
        if (i % 100 == 0) (void)ask();
    }
    CHECK(ask().slow.size() == Insight::kSlowKept);
    insight.stop();
    CHECK(ask().queries.empty());
}

}  // namespace
}  // namespace weir::insight_test
