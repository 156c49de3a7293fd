// Goal: under max_db_connections no user starves another, whatever their pools' sizing, and the
// limit is never exceeded. Method: the real PoolSet, Janitor and ShareKeeper with virtual workers,
// a server that slows down the more it does at once and refuses some logins, greedy clients that
// always want a connection and modest ones that think in between; a seed decides all.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/random.h"
#include "proxy/janitor.h"

namespace weir::sim {

namespace {

constexpr unsigned kWorkers = 2;
constexpr int64_t kMs = 1000;
constexpr int64_t kWarmUpUs = 20'000'000;
constexpr int64_t kEndUs = 80'000'000;

class SharesModel final : public Exchange {
  public:
    explicit SharesModel(uint64_t seed) : random_(seed), pools_(kWorkers, endpoints_, seed) {
        const uint64_t users = 2 + random_.below(5);
        limit_ = 1 + static_cast<int>(random_.below(12));
        fails_ = random_.chance(30) ? 3 : 0;
        GlobalConfig& global = config_.global;
        global.default_pool_size = 1 + static_cast<int>(random_.below(20));
        global.max_db_connections = limit_;
        global.pool_sizing = static_cast<SizingMode>(random_.below(3));
        global.server_idle_timeout = std::chrono::seconds(1 + random_.below(5));
        global.server_login_retry = std::chrono::seconds(1);
        DatabaseConfig& database = config_.databases["d"];
        database.name = "d";
        pools_.configure(config_);
        for (uint64_t user = 0; user < users; ++user)
            add_user(user);
    }

    ~SharesModel() override {
        for (const auto& client : clients_)
            client->pool->leave(client->waiter, now_);
    }
    SharesModel(const SharesModel&) = delete;
    SharesModel& operator=(const SharesModel&) = delete;

    // Empty when all is well.
    [[nodiscard]] const std::string& problem() const { return problem_; }
    [[nodiscard]] uint64_t served() const { return served_; }
    [[nodiscard]] std::string plan() const {
        return "users " + std::to_string(users_.size()) + ", limit " + std::to_string(limit_) +
               ", pool size " + std::to_string(config_.global.default_pool_size) + ", " +
               to_string(config_.global.pool_sizing);
    }

    void run() {
        const int64_t start = now_.us;
        while (now_.us - start < kEndUs && problem_.empty()) {
            is_warm_ = now_.us - start > kWarmUpUs;
            now_.us += kMs;
            step();
        }
        if (problem_.empty()) check_fairness();
    }

    // ---- Exchange ----
    void post(WorkerId to, WorkerMessage message) override {
        if (message.kind == WorkerMessage::Kind::OpenServer) return opening(*message.server, to);
        if (message.kind == WorkerMessage::Kind::CloseServer)
            closing_.push_back({message.server, to, after(1, 5)});
    }
    void post_grant(const Grant& grant) override { grants_.push_back(grant); }
    void post_control(ControlMessage) override {}
    [[nodiscard]] unsigned workers() const override { return kWorkers; }
    Io& io(WorkerId) override { std::abort(); }

  private:
    struct Work {
        ServerConnection* server = nullptr;
        WorkerId worker = 0;
        Instant until;
    };
    struct Client {
        Waiter waiter;
        Pool* pool = nullptr;
        size_t user = 0;
        bool is_greedy = false;
        ServerConnection* server = nullptr;
        Instant next;  // end of its work, or of its thinking
        Instant waiting_since;
    };
    struct User {
        Pool* pool = nullptr;
        bool is_greedy = false;
        double held_us = 0;  // connections times time, when warm
    };

    void fail(const std::string& text) {
        if (problem_.empty()) problem_ = text;
    }
    Instant after(uint64_t least_ms, uint64_t most_ms) {
        const uint64_t ms = least_ms + random_.below(most_ms - least_ms + 1);
        return now_ + Duration(static_cast<int64_t>(ms) * kMs);
    }

    void add_user(uint64_t number) {
        User& user = users_.emplace_back();
        user.pool =
            &pools_.find_or_create(config_, config_.databases["d"], "u" + std::to_string(number))
                 .first();
        user.is_greedy = number == 0 || random_.chance(40);
        const uint64_t clients = user.is_greedy ? 15 + random_.below(15) : 1 + random_.below(3);
        for (uint64_t i = 0; i < clients; ++i) {
            clients_.push_back(std::make_unique<Client>());
            Client& client = *clients_.back();
            const auto worker = static_cast<WorkerId>(random_.below(kWorkers));
            client.waiter.client = {static_cast<uint32_t>(clients_.size() - 1), 1, worker};
            client.pool = user.pool;
            client.user = users_.size() - 1;
            client.is_greedy = user.is_greedy;
            client.next = after(0, 50);
        }
    }

    void opening(ServerConnection& server, WorkerId worker) {
        server.registered_with = worker;
        opening_.push_back({&server, worker, after(5, 30)});
    }

    void step() {
        if (now_.us / kMs % 100 == 0) janitor_.tick(now_);
        if (is_relief_due_) {
            is_relief_due_ = false;
            janitor_.relieve(now_);
        }
        finish(closing_, [this](const Work& it) { retire(it, std::nullopt); });
        finish(opening_, [this](const Work& it) {
            if (random_.chance(fails_)) return retire(it, Error("08006", "no"));
            it.server->connected_at = now_;
            give_back(*it.server, it.worker, true);
        });
        std::deque<Grant> grants;
        grants.swap(grants_);
        for (const Grant& grant : grants)
            begin(*clients_[grant.client.slot], *grant.server);
        const size_t first = random_.below(clients_.size());
        for (size_t i = 0; i < clients_.size(); ++i)
            step_client(*clients_[(first + i) % clients_.size()]);
        check();
    }

    template <typename Fn>
    void finish(std::vector<Work>& list, Fn&& fn) {
        std::vector<Work> due;
        std::erase_if(list, [&](const Work& it) {
            if (it.until > now_) return false;
            due.push_back(it);
            return true;
        });
        for (const Work& it : due)
            fn(it);
    }

    void step_client(Client& client) {
        if (!client.waiting_since.is_never() || client.next > now_) return;
        const WorkerId worker = client.waiter.client.worker;
        if (ServerConnection* server = client.server) {
            client.server = nullptr;
            client.next = client.is_greedy ? now_ : after(1, 100);
            ++served_;
            return give_back(*server, worker, false);
        }
        const Pool::Acquired got = client.pool->acquire(client.waiter, worker, now_);
        if (got.server != nullptr) return begin(client, *got.server);
        if (!got.is_queued) {  // refused while logins fail
            client.next = after(10, 50);
            return;
        }
        client.waiting_since = now_;
        if (got.open != nullptr) opening(*got.open, worker);
        is_relief_due_ = is_relief_due_ || got.is_starved;
    }

    // Work takes longer the more is done at once.
    void begin(Client& client, ServerConnection& server) {
        server.registered_with = client.waiter.client.worker;
        client.server = &server;
        client.waiting_since = {};
        client.next = after(2, 10 + static_cast<uint64_t>(3 * working()));
        PoolCounters& counters = client.pool->counters()[client.waiter.client.worker];
        counters.transactions.add(1);
        counters.query_us.add(static_cast<uint64_t>((client.next - now_).count()));
    }
    [[nodiscard]] size_t working() const {
        return static_cast<size_t>(
            std::count_if(clients_.begin(), clients_.end(),
                          [](const auto& client) { return client->server != nullptr; }));
    }

    void give_back(ServerConnection& server, WorkerId worker, bool is_new) {
        const Pool::Released out = server.pool->release(server, worker, now_, is_new);
        if (out.kind == Pool::Released::Kind::Granted) grants_.push_back(out.grant);
        if (out.open != nullptr) opening(*out.open, worker);
        if (out.kind != Pool::Released::Kind::MustClose) return;
        server.pool->announce_leaving(server);
        closing_.push_back({&server, worker, after(1, 5)});
    }

    void retire(const Work& it, const std::optional<Error>& failure) {
        const Pool::Retired out = it.server->pool->retire(*it.server, it.worker, now_, failure);
        if (out.open != nullptr) opening(*out.open, it.worker);
        is_relief_due_ = is_relief_due_ || out.relieves;
    }

    void check() {
        size_t all = 0;
        for (User& user : users_) {
            const Pool::Counts counts = user.pool->counts();
            const size_t total = counts.idle + counts.leased + counts.opening;
            all += total;
            if (total > static_cast<size_t>(config_.global.default_pool_size))
                fail("more than pool_size");
            if (is_warm_) user.held_us += static_cast<double>(total) * kMs;
        }
        if (all > static_cast<size_t>(limit_)) fail("more than max_db_connections");
        if (!is_warm_) return;
        for (const auto& client : clients_) {
            if (client->waiting_since.is_never()) continue;
            if (now_ - client->waiting_since > longest_wait())
                fail("user " + std::to_string(client->user) + " starves");
        }
    }

    // With fewer connections than users, their turns must come round.
    [[nodiscard]] Duration longest_wait() const {
        const auto turns =
            static_cast<int64_t>(1 + users_.size() / static_cast<size_t>(std::max(limit_, 1)));
        return std::chrono::seconds(8) + turns * std::chrono::seconds(12);
    }

    // Those who always want more have nearly the same, one connection or a quarter apart.
    void check_fairness() {
        double least = 1e18;
        double most = 0;
        for (const User& user : users_) {
            if (!user.is_greedy) continue;
            const double mean = user.held_us / static_cast<double>(kEndUs - kWarmUpUs);
            least = std::min(least, mean);
            most = std::max(most, mean);
        }
        const bool is_adaptive = config_.global.pool_sizing == SizingMode::Adaptive;
        if (!is_adaptive && fails_ == 0 && most > least * 1.25 + 1.2)
            fail("unfair: " + std::to_string(least) + " and " + std::to_string(most));
    }

    Prng random_;
    Instant now_{1'000'000'000};
    Config config_;
    EndpointTable endpoints_{kWorkers};
    PoolSet pools_;
    Janitor janitor_{pools_, *this};
    std::vector<User> users_;
    std::vector<std::unique_ptr<Client>> clients_;
    std::vector<Work> opening_, closing_;
    std::deque<Grant> grants_;
    int limit_ = 1;
    unsigned fails_ = 0;
    bool is_relief_due_ = false;
    bool is_warm_ = false;
    std::string problem_;
    uint64_t served_ = 0;
};

bool run_shares(uint64_t seed, uint64_t& served) {
    SharesModel model(seed);
    model.run();
    served += model.served();
    if (model.problem().empty()) return true;
    FAIL_CHECK("seed " << seed << " (" << model.plan() << "): " << model.problem());
    return false;
}

}  // namespace

TEST_CASE("nobody starves under max_db_connections") {
    uint64_t served = 0;
    if (const char* seed = std::getenv("WEIR_SIM_SEED")) {
        run_shares(std::strtoull(seed, nullptr, 10), served);
        return;
    }
    for (uint64_t seed = 1; seed <= 40; ++seed) {
        if (!run_shares(seed, served)) return;
    }
    CHECK(served > 100'000);
}

}  // namespace weir::sim
