// FakeClient: a client that does what chance says and knows what must be answered: every row
// carries the token of its question. Thread: one.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/sim_net.h"

namespace weir::sim {

struct ClientPlan {
    int64_t number = 0;
    std::string database, user;
    bool may_begin = true;  // not in statement pooling
    bool may_name = true;   // its statements; not when they are passed as they are
    bool may_fail = true;   // in the middle of a batch
    bool may_deallocate = false;
    bool may_lose = false;  // its connection may end by a fault
    unsigned rude = 0;      // per mille of steps that end in a sudden disconnect
    unsigned cancels = 0;   // percent of waits that become impatient
    size_t padding_max = 10;
    int actions = 10;
};

class FakeClient {
  public:
    FakeClient(ClientPlan plan, LinkPtr link, Prng& random, SimTrace& trace);

    // Does one thing, if there is one to do. `is_calm`: bring it to an end, politely.
    bool step(Instant now, bool is_calm);
    [[nodiscard]] bool is_gone() const { return is_gone_; }
    [[nodiscard]] bool is_waiting() const { return !is_ready_ || !batches_.empty(); }
    [[nodiscard]] int64_t number() const { return plan_.number; }
    // A cancel request it wants to be sent; 0 = none.
    uint64_t take_cancel();
    [[nodiscard]] std::string state() const;
    uint64_t answers = 0;

    const LinkPtr link;

  private:
    // What one Sync or Query must be answered with.
    struct Batch {
        std::vector<std::string> rows;
        int parses = 0, binds = 0, closes = 0;
        char status = 'I';
        bool has_error = false;  // the last thing that the server does in it is to fail
        bool is_simple = true;
        // seen so far
        size_t rows_seen = 0;
        int parses_seen = 0, binds_seen = 0, closes_seen = 0;
        std::string error;
        std::set<std::string> added, removed;
        std::set<std::string> tried, given_up;  // also behind the failure, where it is skipped
        bool removes_all = false;
        std::string copy_data;     // sent when the server asks for it; then nothing may follow
        bool owes_sync = false;    // ... and a Sync, when it does not
        bool is_doubtful = false;  // sent behind one that was cancelled: its names may mean others
    };

    void act();
    void act_in_transaction();
    void simple(std::string_view word);
    void control(std::string_view sql, char status_after);
    // COPY, a function call, several statements in one query.
    void unusual(bool may_fail);
    void several(bool may_fail);
    void function_call();
    void copy(bool may_fail);
    void copy_in(Batch& batch, const std::string& token, bool may_fail);
    void on_row(Batch& batch, std::string_view row);
    void extended(bool may_fail);
    void extended_step(Batch& batch, bool may_fail);
    void add_parse(Batch& batch, const std::string& name);
    void add_use(Batch& batch, const std::string& name);
    void add_close(Batch& batch, const std::string& name);
    std::string token();
    [[nodiscard]] bool may_follow() const;
    void disconnect();
    void leave();
    void read();
    void on_message(char tag, std::string_view body);
    void on_error(std::string_view body);
    void on_ready(char status);
    void fail(const std::string& text);

    const ClientPlan plan_;
    Prng& random_;
    SimTrace& trace_;
    std::string in_;
    std::string out_;
    std::deque<Batch> batches_;
    std::set<std::string> planned_;  // ... once everything sent has been answered
    std::set<std::string> spoilt_;   // nobody can know
    std::string unnamed_text_;
    bool has_unnamed_copy_ = false;  // it has been a COPY once
    std::map<std::string, std::string> texts_;
    uint64_t key_ = 0;
    Instant think_until_;
    int64_t sequence_ = 0;
    int actions_left_;
    int cancels_sent_ = 0;
    int cancels_seen_ = 0;
    bool wants_cancel_ = false;
    bool is_ready_ = false;
    bool is_gone_ = false;
    bool is_leaving_ = false;
    char status_ = 'I';
};

}  // namespace weir::sim
