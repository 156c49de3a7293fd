// weir-load: a load generator for anything that speaks PostgreSQL's protocol. pgbench spends a
// descriptor set and a wake-up per client and is itself the bottleneck long before a proxy is; this
// one costs about as much as the bare forwarder, with thousands of clients too. It prints one line
// of JSON. With --watch PID it also says what that process cost per transaction over exactly the
// measured time; with --hold it waits for a line on stdin before and after measuring, so that
// somebody else (strace) can attach in between.
// Thread: main waits and prints; each Driver has one thread.

#include <signal.h>

#include <iostream>
#include <memory>
#include <thread>

#include "bench/load/arguments.h"
#include "bench/load/driver.h"
#include "bench/load/process_watch.h"

namespace weir::bench {
namespace {

constexpr std::string_view kUsage =
    R"(usage: weir-load --port N [options]
  --host 127.0.0.1  --user bench  --db bench  --password TEXT (sent if asked for in clear text)
  --mode simple|extended|prepared|connect|idle|stream
  --clients 1       connections, each a closed loop
  --threads 1       threads sharing the clients
  --ramp 64         logins under way at once
  --query "select 1"
  --rows N --row-bytes 1000   instead of --query: that many rows of that many bytes
  --seconds 5       how long to measure (idle: how long to hold, 0 = until SIGTERM)
  --transactions N  measure that many instead
  --warmup 0        seconds of the same before measuring
  --timeout 60      seconds for all logins, and for the last transactions to end
  --hold            after login and warm-up print READY and wait for a line on stdin; after the
                    result wait for another (or the end of stdin) before disconnecting
  --tls             ask for TLS; a full handshake for every connection
  --watch PID       add that process's cost (may be repeated)
)";

using Seconds = std::chrono::duration<double>;

struct Plan {
    Script script;
    std::string mode;
    sockaddr_in server{};
    size_t clients = 1;
    size_t threads = 1;
    size_t ramp = 64;
    Seconds length{5};
    Seconds warmup{0};
    Seconds timeout{60};
    int64_t transactions = 0;
    bool hold = false;
    std::shared_ptr<const TlsContext> tls;  // null: in the clear
    std::vector<int> watched;
};

Mode mode_of(const Arguments& arguments, const std::string& word) {
    if (word == "simple" || word == "stream") return Mode::Simple;
    if (word == "extended") return Mode::Extended;
    if (word == "prepared") return Mode::Prepared;
    if (word == "connect") return Mode::Connect;
    if (word == "idle") return Mode::Idle;
    arguments.refuse("unknown --mode " + word, 2);
}

Plan make_plan(Arguments& arguments) {
    Plan plan;
    plan.mode = arguments.text("mode", "simple");
    const bool is_stream = plan.mode == "stream";
    plan.clients = arguments.number<size_t>("clients", 1);
    plan.threads = arguments.number<size_t>("threads", 1);
    plan.ramp = arguments.number<size_t>("ramp", 64);
    plan.length = Seconds(arguments.number<double>("seconds", 5));
    plan.warmup = Seconds(arguments.number<double>("warmup", 0));
    plan.timeout = Seconds(arguments.number<double>("timeout", 60));
    plan.transactions = arguments.number<int64_t>("transactions", is_stream ? 1 : 0);
    plan.hold = arguments.flag("hold");
    if (arguments.flag("tls")) plan.tls = std::make_shared<TlsContext>();
    for (const std::string& pid : arguments.texts("watch")) {
        plan.watched.push_back(std::atoi(pid.c_str()));
    }
    const auto rows = arguments.number<uint64_t>("rows", is_stream ? 1'000'000 : 0);
    const auto row_bytes = arguments.number<uint64_t>("row-bytes", 1000);
    std::string query = arguments.text("query", "select 1");
    if (rows > 0) {
        query = "select repeat('x'," + std::to_string(row_bytes) + ") from generate_series(1," +
                std::to_string(rows) + ")";
    }
    plan.script = make_script(mode_of(arguments, plan.mode), arguments.text("user", "bench"),
                              arguments.text("db", "bench"), arguments.text("password", ""), query);
    const auto port = arguments.number<uint16_t>("port", 0);
    plan.server = ipv4_address(arguments.text("host", "127.0.0.1"), port);
    arguments.finish();
    if (port == 0 || plan.clients == 0 || plan.threads == 0 || plan.ramp == 0) {
        arguments.refuse("--port, --clients, --threads and --ramp must be at least 1", 2);
    }
    plan.threads = std::min(plan.threads, plan.clients);
    return plan;
}

class LoadGenerator {
  public:
    explicit LoadGenerator(const Plan& plan) : plan_(plan) {
        for (size_t i = 0; i < plan_.threads; i++) {
            const size_t share = (plan_.clients + plan_.threads - 1 - i) / plan_.threads;
            drivers_.push_back(std::make_unique<Driver>(
                plan_.script, plan_.server, share, std::max<size_t>(1, plan_.ramp / plan_.threads),
                round_, plan_.tls.get()));
        }
    }

    int run() {
        for (const auto& driver : drivers_) {
            threads_.emplace_back([&driver] { driver->run(); });
        }
        bool ok = plan_.script.mode == Mode::Connect || wait_for_logins();
        if (plan_.script.mode == Mode::Idle) {
            std::cout << "READY" << std::endl;
            wait_for_signal(plan_.length.count() > 0 ? plan_.length : Seconds(1e9));
            end_threads();
            print_result({}, {}, Seconds(0));
        } else {
            ok = measure() && ok;
        }
        return ok ? 0 : 1;
    }

  private:
    // The connections stay open until the drivers are destroyed.
    void end_threads() {
        round_.leaving = true;
        for (const auto& driver : drivers_) {
            driver->wake();
        }
        threads_.clear();
    }

    bool wait_for_logins() {
        std::unique_lock lock(round_.mutex);
        round_.changed.wait_for(lock, plan_.timeout, [this] {
            return round_.logged_in + round_.failed_logins == plan_.clients;
        });
        return round_.logged_in == plan_.clients;
    }

    // False if interrupted: the caller goes on to its end at once.
    static bool wait_for_signal(Seconds limit) {
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        timespec wait{};
        wait.tv_sec = static_cast<time_t>(limit.count());
        wait.tv_nsec = static_cast<long>((limit.count() - static_cast<double>(wait.tv_sec)) * 1e9);
        return ::sigtimedwait(&signals, nullptr, &wait) < 0;
    }

    bool measure() {
        if (plan_.warmup.count() > 0) run_round(plan_.warmup, 0);
        std::string line;
        if (plan_.hold) {
            std::cout << "READY" << std::endl;
            std::getline(std::cin, line);
        }
        const auto costs = [this] {
            std::vector<ProcessCost> answer{process_cost(::getpid())};
            for (const int pid : plan_.watched) {
                answer.push_back(process_cost(pid));
            }
            return answer;
        };
        const std::vector<ProcessCost> before = costs();
        const uint64_t started_ns = now_ns();
        const bool ok = run_round(plan_.length, plan_.transactions);
        const std::vector<ProcessCost> after = costs();
        end_threads();
        uint64_t ended_ns = started_ns;
        for (const auto& driver : drivers_) {
            ended_ns = std::max(ended_ns, driver->result().ended_ns);
        }
        const uint64_t errors =
            print_result(before, after, Seconds(static_cast<double>(ended_ns - started_ns) / 1e9));
        if (plan_.hold) std::getline(std::cin, line);
        return ok && errors == 0;
    }

    // `transactions` 0: as many as fit into `length`. False if some did not end in time.
    bool run_round(Seconds length, int64_t transactions) {
        {
            const std::lock_guard lock(round_.mutex);
            round_.drivers_done = 0;
        }
        round_.stopping = false;
        round_.to_do = transactions > 0 ? transactions : INT64_MAX;
        round_.number++;
        for (const auto& driver : drivers_) {
            driver->wake();
        }
        if (transactions == 0) {
            wait_for_signal(length);
            round_.stopping = true;
        }
        std::unique_lock lock(round_.mutex);
        const bool ended = round_.changed.wait_for(
            lock, plan_.timeout, [this] { return round_.drivers_done == drivers_.size(); });
        round_.stopping = true;
        if (!ended) std::cerr << "transactions still unanswered after --timeout" << std::endl;
        return ended;
    }

    // Returns the number of errors.
    uint64_t print_result(const std::vector<ProcessCost>& before,
                          const std::vector<ProcessCost>& after, Seconds wall) {
        auto total = std::make_unique<RoundResult>();
        for (const auto& driver : drivers_) {
            total->latency.merge(driver->result().latency);
            total->errors += driver->result().errors;
            total->bytes += driver->result().bytes;
        }
        const auto count = static_cast<double>(total->latency.count());
        const double seconds = std::max(wall.count(), 1e-9);
        const LatencyHistogram& latency = total->latency;
        // The threads have ended: nothing of theirs needs a lock any more.
        if (plan_.script.mode != Mode::Idle) total->errors += round_.failed_logins;
        if (total->errors > 0) std::cerr << "first error: " << round_.first_error << std::endl;
        const size_t connected =
            plan_.script.mode == Mode::Connect ? plan_.clients : round_.logged_in;
        std::printf("{\"mode\": \"%s\", \"clients\": %zu, \"connected\": %zu, \"threads\": %zu, ",
                    plan_.mode.c_str(), plan_.clients, connected, plan_.threads);
        std::printf("\"tps\": %.1f, \"transactions\": %.0f, \"errors\": %lu, ", count / seconds,
                    count, total->errors);
        std::printf("\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, ",
                    latency.percentile_us(0.5), latency.percentile_us(0.99),
                    latency.percentile_us(0.999), latency.max_us());
        std::printf("\"mean_us\": %.1f, \"wall_s\": %.4f, \"bytes\": %lu, \"mb_per_s\": %.1f, ",
                    latency.mean_us(), wall.count(), total->bytes,
                    wall.count() > 0 ? static_cast<double>(total->bytes) / 1e6 / seconds : 0.0);
        print_costs(before, after, std::max(count, 1.0));
        return total->errors;
    }

    void print_costs(const std::vector<ProcessCost>& before, const std::vector<ProcessCost>& after,
                     double transactions) const {
        const auto cpu_us = [&](size_t i) {
            return before.empty() ? 0 : (after[i].cpu_ns - before[i].cpu_ns) / 1e3;
        };
        std::printf("\"load_cpu_us_per_txn\": %.3f, \"watch\": [", cpu_us(0) / transactions);
        for (size_t i = 0; i < plan_.watched.size(); i++) {
            const ProcessCost now = process_cost(plan_.watched[i]);
            const long sleeps = before.empty() ? 0 : after[i + 1].switches - before[i + 1].switches;
            std::printf(
                "%s{\"pid\": %d, \"cpu_us\": %.1f, \"cpu_us_per_txn\": %.3f, "
                "\"sleeps_per_txn\": %.4f, \"rss_kb\": %ld}",
                i == 0 ? "" : ", ", plan_.watched[i], cpu_us(i + 1), cpu_us(i + 1) / transactions,
                static_cast<double>(sleeps) / transactions, now.rss_kb);
        }
        std::printf("]}\n");
        std::fflush(stdout);
    }

    const Plan& plan_;
    Round round_;
    std::vector<std::unique_ptr<Driver>> drivers_;
    std::vector<std::jthread> threads_;
};

}  // namespace
}  // namespace weir::bench

int main(int argc, char** argv) {
    using namespace weir::bench;
    Arguments arguments(argc, argv, kUsage);
    const Plan plan = make_plan(arguments);
    raise_file_limit();
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    check_system(::sigprocmask(SIG_BLOCK, &signals, nullptr) == 0, "sigprocmask");
    return LoadGenerator(plan).run();
}
