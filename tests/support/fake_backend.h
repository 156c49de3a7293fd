// FakeBackend: one process of a fake PostgreSQL; FakeCluster: all of them, by port (one port = one
// pool). They know just enough SQL: a command is `WORD TOKEN [BYTES]`, where TOKEN is `cCLIENT.N`.
// They check what only a server can see: whose transaction and session it is, and how many
// connections there are. Thread: one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/sim_net.h"

namespace weir::sim {

// What a command answers with: its token (and parameter), padded.
std::string answer_of(std::string_view text, std::string_view parameter);
// 17 of `echo c17.4 100`; -1 when there is no token.
int64_t client_of(std::string_view text);

class FakeCluster;

class FakeBackend {
  public:
    FakeBackend(FakeCluster& cluster, LinkPtr link, uint32_t pid, uint32_t secret);

    // Does one thing, if there is one to do.
    bool step(Instant now);
    void cancel();
    // As if the process had died; politely = with a last word.
    void crash(bool politely);
    [[nodiscard]] bool is_over() const { return is_over_; }
    // A connection of the pool, as far as the proxy is concerned.
    [[nodiscard]] bool counts() const { return is_started_ && !link->is_proxy_closed; }
    [[nodiscard]] bool is_in_transaction() const { return status_ != 'I'; }

    const LinkPtr link;
    const uint32_t pid;
    const uint32_t secret;

  private:
    bool start();
    void on_message(char tag, std::string_view body);
    void on_query(std::string_view sql);
    bool run(std::string_view command, std::string_view parameter, bool describes);
    bool run_control(std::string_view word, std::string_view command);
    void set(std::string_view command);
    void on_parse(std::string_view body);
    void on_bind(std::string_view body);
    void on_describe(std::string_view body);
    void on_execute(std::string_view body);
    void on_close(std::string_view body);
    void on_function_call(std::string_view body);
    bool run_copy(std::string_view word, std::string_view command);
    void on_copy_data(char tag, std::string_view body);
    void check_owner(std::string_view text);
    void error(std::string_view state, std::string_view text);
    void reply(char tag, std::string_view body = {});
    void complete(std::string_view tag);
    void ready();
    bool is_busy(char tag, std::string_view body, Instant now);
    void discard_all();

    FakeCluster& cluster_;
    std::string in_;
    std::string out_;
    bool is_started_ = false;
    bool is_over_ = false;
    bool is_skipping_ = false;
    bool is_cancelled_ = false;
    bool is_extended_ = false;
    bool is_copy_in_ = false;
    std::string copy_token_;  // what every piece of its data must be
    int copied_ = 0;
    char status_ = 'I';
    Instant busy_until_;  // never = the message at hand has not been begun
    std::map<std::string, std::string> statements_;
    std::map<std::string, std::pair<std::string, std::string>> portals_;  // text, parameter
    std::string application_;
    std::string first_application_;
    int64_t transaction_of_ = -1;
    int64_t session_of_ = -1;
};

class FakeCluster {
  public:
    FakeCluster(SimNet& a_net, Prng& a_random, SimTrace& a_trace)
        : net(a_net), random(a_random), trace(a_trace) {}

    // Accepts (or refuses) what has connected.
    bool accept(Instant now);
    bool step(Instant now);
    void cancel(uint32_t pid, uint32_t secret);
    void crash_one();
    [[nodiscard]] size_t connections(uint16_t port) const;
    [[nodiscard]] const std::vector<std::unique_ptr<FakeBackend>>& all() const { return backends_; }

    SimNet& net;
    Prng& random;
    SimTrace& trace;
    bool is_session_pooling = false;
    bool is_calm = false;
    bool is_down = false;       // refuses every connect
    unsigned refuse_login = 0;  // percent
    unsigned slow = 0;          // percent of statements that take time
    uint64_t commands = 0;

  private:
    std::vector<std::unique_ptr<FakeBackend>> backends_;
    uint32_t last_pid_ = 0;
};

}  // namespace weir::sim
