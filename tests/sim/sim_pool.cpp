// Goal: the ledger alone keeps its promises over a million operations: never more connections than
// allowed, first come first served, no connection idle while somebody waits, none lost. Method:
// several virtual workers acquire, release, open, fail, retire, evict and leave at random; a model
// beside the pool knows who has what.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "protocol/base/random.h"
#include "proxy/pool/pool_group.h"

namespace weir::sim {

namespace {

constexpr unsigned kWorkers = 4;
constexpr WorkerId kControl = 254;

struct Held {
    ServerConnection* server = nullptr;
    WorkerId worker = 0;
};

class PoolModel {
  public:
    explicit PoolModel(uint64_t seed) : random_(seed) {
        settings_.size = 1 + static_cast<int>(random_.below(5));
        settings_.reserve = random_.chance(30) ? 1 : 0;
        settings_.reserve_timeout = std::chrono::milliseconds(1);
        settings_.size_min = random_.chance(30) ? 1 : 0;
        settings_.lifetime = std::chrono::seconds(1);
        settings_.idle_timeout = std::chrono::milliseconds(100);
        settings_.login_retry = std::chrono::milliseconds(1);
        settings_.login_burst = 1 + static_cast<int>(random_.below(4));
        settings_.round_robin = random_.chance(30);
        settings_.sizing = static_cast<SizingMode>(random_.below(3));
        if (random_.chance(50)) settings_.fifo_slack = Duration(random_.below(2000));
        database_.servers.set_limit(random_.chance(30) ? settings_.size : 0);
        pool_ = std::make_unique<Pool>(group_, PoolTarget(), DatabaseConfig(), kWorkers);
        pool_->configure(settings_, DatabaseConfig());
        const size_t clients = 1 + random_.below(12);
        for (size_t i = 0; i < clients; ++i) {
            waiters_.push_back(std::make_unique<Waiter>());
            const auto worker = static_cast<WorkerId>(random_.below(kWorkers));
            waiters_.back()->client = {static_cast<uint32_t>(i), 1, worker};
        }
        has_.resize(clients, nullptr);
    }

    // Empty when all is well.
    [[nodiscard]] const std::string& problem() const { return problem_; }
    [[nodiscard]] uint64_t served() const { return served_; }

    void step() {
        now_.us += 1 + static_cast<int64_t>(random_.below(200));
        const uint64_t choice = random_.below(100);
        if (choice < 35) {
            acquire();
        } else if (choice < 55) {
            release();
        } else if (choice < 70) {
            finish_opening();
        } else if (choice < 85) {
            take_grant();
        } else if (choice < 90) {
            leave();
        } else if (choice < 93) {
            close_one();
        } else if (choice < 96) {
            use_idle();
        } else {
            look_after();
        }
        check();
    }

    // Everybody leaves: nothing may be left in use.
    void finish() {
        database_.paused.store(false);
        for (int i = 0; i < 1000 && problem_.empty(); ++i) {
            for (const auto& waiter : waiters_) {
                if (waiter->is_linked()) pool_->leave(*waiter, now_);
            }
            take_grant();
            release();
            finish_opening();
        }
        const Pool::Counts counts = pool_->counts();
        if (counts.leased + counts.opening + counts.waiting != 0) fail("something is left in use");
    }

  private:
    void fail(const char* text) {
        if (problem_.empty()) problem_ = text;
    }

    void acquire() {
        const size_t i = random_.below(waiters_.size());
        Waiter& waiter = *waiters_[i];
        if (has_[i] != nullptr || waiter.is_linked() || waiter.ticket != 0) return;
        const Pool::Counts before = pool_->counts();
        const Pool::Acquired got = pool_->acquire(waiter, waiter.client.worker, now_);
        if (got.server != nullptr) {
            if (before.waiting > 0) fail("an idle connection was taken past a waiter");
            if (!idle_.erase(got.server)) fail("acquired a connection that was not idle");
            has_[i] = got.server;
            ++served_;
        } else if (!got.is_queued && !got.refused) {
            fail("neither served, queued nor refused");
        }
        add_opening(got.open, waiter.client.worker);
    }

    void release() {
        const size_t i = random_.below(waiters_.size());
        if (has_[i] == nullptr) return;
        ServerConnection& server = *has_[i];
        has_[i] = nullptr;
        give_back(server, waiters_[i]->client.worker, false);
    }

    void give_back(ServerConnection& server, WorkerId worker, bool is_new) {
        const Instant first = first_arrival();
        const Pool::Released out = pool_->release(server, worker, now_, is_new);
        switch (out.kind) {
            case Pool::Released::Kind::Idle:
                if (!first.is_never()) fail("went idle while somebody waits");
                idle_.insert(&server);
                break;
            case Pool::Released::Kind::Granted:
                granted(out.grant, first, settings_.fifo_slack);
                break;
            case Pool::Released::Kind::MustClose: retire(server, worker, std::nullopt); break;
        }
        add_opening(out.open, worker);
    }

    // Within the slack, but then on the worker of the connection; else the very first.
    void granted(const Grant& grant, Instant first, Duration slack) {
        if (grant.waiting_since > first + slack) fail("not the first of the queue was served");
        if (slack.count() == 0 && lowest_ticket() != 0 && lowest_ticket() < grant.ticket)
            fail("not the first of the queue was served");
        grants_.push_back(grant);
    }

    // A grant arrives at its worker.
    void take_grant() {
        if (grants_.empty()) return;
        const size_t at = random_.below(grants_.size());
        const Grant grant = grants_[at];
        grants_.erase(grants_.begin() + static_cast<ptrdiff_t>(at));
        Waiter& waiter = *waiters_[grant.client.slot];
        if (waiter.ticket != grant.ticket)
            return give_back(*grant.server, grant.client.worker, false);
        waiter.ticket = 0;
        has_[grant.client.slot] = grant.server;
        ++served_;
    }

    void leave() {
        Waiter& waiter = *waiters_[random_.below(waiters_.size())];
        if (waiter.ticket == 0) return;
        const bool was_queued = waiter.is_linked();
        if (pool_->leave(waiter, now_) != was_queued) fail("leave() is wrong about the queue");
        waiter.ticket = 0;
    }

    void finish_opening() {
        if (opening_.empty()) return;
        const size_t at = random_.below(opening_.size());
        const Held held = opening_[at];
        opening_.erase(opening_.begin() + static_cast<ptrdiff_t>(at));
        if (random_.chance(80)) {
            held.server->connected_at = now_;
            return give_back(*held.server, held.worker, true);
        }
        retire(*held.server, held.worker, Error(random_.chance(50) ? "08006" : "28000", "no"));
    }

    void retire(ServerConnection& server, WorkerId worker, const std::optional<Error>& failure) {
        const Pool::Retired out = pool_->retire(server, worker, now_, failure);
        for (const Grant& grant : out.failed)
            waiters_[grant.client.slot]->ticket = 0;
        if (out.open == nullptr) return;
        WorkerId opener = worker;
        if (worker == kControl) {
            opener = static_cast<WorkerId>(random_.below(kWorkers));
            pool_->hand_over(*out.open, opener);
        }
        add_opening(out.open, opener);
    }

    void close_one() {
        const size_t i = random_.below(waiters_.size());
        if (has_[i] == nullptr) return;
        ServerConnection& server = *has_[i];
        has_[i] = nullptr;
        retire(server, waiters_[i]->client.worker, std::nullopt);
    }

    // The home worker finds something to read on an idle connection, sometimes too late.
    void use_idle() {
        if (idle_.empty()) return;
        auto it = idle_.begin();
        std::advance(it, static_cast<ptrdiff_t>(random_.below(idle_.size())));
        ServerConnection& server = **it;
        const ServerOwner owner = server.load_owner();
        const bool is_late = random_.chance(30);
        const auto generation = static_cast<uint16_t>(owner.generation - (is_late ? 1 : 0));
        const auto me = static_cast<WorkerId>(random_.below(kWorkers));
        const bool is_taken = pool_->take_idle(server, generation, me);
        if (is_taken != (!is_late && me == owner.worker)) fail("take_idle() is wrong");
        if (!is_taken) return;
        idle_.erase(&server);
        if (random_.chance(50)) return retire(server, me, std::nullopt);
        give_back(server, me, false);
    }

    // What the control thread does.
    void look_after() {
        std::vector<ServerConnection*> taken;
        const uint64_t choice = random_.below(8);
        if (choice == 0) {
            std::vector<Pool::Expired> expired;
            pool_->take_expired(kControl, now_, expired);
            for (const Pool::Expired& it : expired)
                taken.push_back(it.server);
        }
        if (choice == 1 && random_.chance(10)) pool_->recycle();
        if (choice == 2) {
            Instant since;
            if (ServerConnection* server = pool_->take_lru_idle(kControl, &since))
                taken.push_back(server);
        }
        if (choice == 3) {
            const auto opener = static_cast<WorkerId>(random_.below(kWorkers));
            add_opening(pool_->want_open(opener, now_), opener);
        }
        if (choice == 6) resize();
        if (choice == 7) share();
        if (choice == 4) database_.paused.store(random_.chance(30));
        if (choice == 4 && database_.paused.load()) pool_->take_all_idle(kControl, taken);
        for (ServerConnection* server : taken) {
            if (!idle_.erase(server)) fail("took a connection that was not idle");
            retire(*server, kControl, std::nullopt);
        }
        serve_waiters();
    }

    // Seconds of good and bad times, of which an adaptive pool learns.
    void resize() {
        PoolCounters& counters = pool_->counters()[0];
        const uint64_t transactions = random_.below(1000);
        counters.transactions.add(transactions);
        counters.query_us.add(transactions * (random_.chance(50) ? 1'000 : 20'000));
        if (random_.chance(10)) pool_->note_capacity_signal();
        now_.us += random_.chance(50) ? 1'000'000 : 0;
        pool_->resize(now_);
    }

    // A share of any size, and others who want what is above it.
    void share() {
        pool_->set_share(random_.chance(30) ? std::nullopt
                                            : std::optional(static_cast<int>(random_.below(5))));
        database_.shares.is_contended.store(random_.chance(30));
        database_.shares.owed.store(static_cast<int>(random_.below(3)));
    }

    void serve_waiters() {
        for (Instant first = first_arrival();; first = first_arrival()) {
            const auto grant = pool_->match_waiter(now_);
            if (!grant) return;
            if (!idle_.erase(grant->server)) fail("granted a connection that was not idle");
            granted(*grant, first, Duration(0));
        }
    }

    void add_opening(ServerConnection* server, WorkerId worker) {
        if (server != nullptr) opening_.push_back({server, worker});
    }

    // Never when nobody waits.
    [[nodiscard]] Instant first_arrival() const {
        Instant out;
        for (const auto& waiter : waiters_) {
            const bool is_earlier = out.is_never() || waiter->since < out;
            if (waiter->is_linked() && is_earlier) out = waiter->since;
        }
        return out;
    }

    [[nodiscard]] uint64_t lowest_ticket() const {
        uint64_t out = 0;
        for (const auto& waiter : waiters_) {
            if (waiter->is_linked() && (out == 0 || waiter->ticket < out)) out = waiter->ticket;
        }
        return out;
    }

    void check() {
        const Pool::Counts counts = pool_->counts();
        const auto has = static_cast<size_t>(
            std::count_if(has_.begin(), has_.end(), [](const auto* s) { return s != nullptr; }));
        if (counts.idle != idle_.size()) fail("idle is counted wrongly");
        if (counts.leased != has + grants_.size()) fail("leased is counted wrongly");
        if (counts.opening != opening_.size()) fail("opening is counted wrongly");
        const size_t total = counts.idle + counts.leased + counts.opening;
        if (total > static_cast<size_t>(settings_.size + settings_.reserve)) fail("over the limit");
        if (static_cast<size_t>(database_.servers.used()) != total) fail("the cap is off");
        if (counts.waiting > 0 && counts.idle > 0 && !database_.paused.load())
            fail("a connection is idle while somebody waits");
    }

    Prng random_;
    Instant now_{1'000'000};
    DatabaseState database_;
    UserState user_;
    PoolSettings settings_;
    PoolGroup group_{{"d", "u"}, database_, user_};
    std::unique_ptr<Pool> pool_;
    std::vector<std::unique_ptr<Waiter>> waiters_;
    std::vector<ServerConnection*> has_;  // by client
    std::vector<Held> opening_;
    std::deque<Grant> grants_;  // on their way
    std::set<ServerConnection*> idle_;
    std::string problem_;
    uint64_t served_ = 0;
};

bool run_pool(uint64_t seed, int steps, uint64_t& served) {
    PoolModel model(seed);
    for (int i = 0; i < steps && model.problem().empty(); ++i)
        model.step();
    if (model.problem().empty()) model.finish();
    served += model.served();
    if (model.problem().empty()) return true;
    FAIL_CHECK("seed " << seed << ": " << model.problem());
    return false;
}

}  // namespace

TEST_CASE("the ledger keeps its promises over a million operations") {
    uint64_t served = 0;
    if (const char* seed = std::getenv("WEIR_SIM_SEED")) {
        run_pool(std::strtoull(seed, nullptr, 10), 10'000, served);
        return;
    }
    for (uint64_t seed = 1; seed <= 130; ++seed) {
        if (!run_pool(seed, 10'000, served)) return;
    }
    CHECK(served > 50'000);
}

}  // namespace weir::sim
