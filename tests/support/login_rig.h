// LoginRig: one worker, clients in memory, no servers: for looking at logins closely. Pools know
// what their servers say of themselves beforehand, so a login ends in its welcome at once. Nothing
// moves by itself: each call drives the worker until it has nothing to do. Thread: one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/worker.h"
#include "tests/support/sim_net.h"

namespace weir::sim {

// A database `db`, the user `u` with the secret `secret`, SCRAM with few iterations.
std::shared_ptr<Config> make_login_config();

class LoginRig final : public Exchange {
  public:
    explicit LoginRig(ConfigPtr config);
    ~LoginRig() override;

    // A client that connects from `address` (a literal IP address; `unix` the Unix socket).
    LinkPtr connect(const std::string& address = "192.0.2.1");
    void send(Link& client, std::string bytes);
    // All that has come for the client since the last call.
    std::string received(Link& client);
    // Sends the start-up packet of `user` for `database`.
    void start(Link& client, const std::string& user, const std::string& database);
    void deliver(LoginAnswer answer);
    void pass(Duration time);
    void hang_up(Link& client);
    void set_config(ConfigPtr config);
    // Welcomes known for (`database`, `user`); the constructor makes u's of db.
    void know_server(const std::string& database, const std::string& user);

    [[nodiscard]] int clients() const { return worker_.client_count(); }
    WorkerContext& context() { return worker_.context(); }
    Shared& shared() { return shared_; }
    [[nodiscard]] const SimTrace& trace() const { return trace_; }
    std::vector<ControlMessage> to_control;

    void post(WorkerId, WorkerMessage message) override { inbox_.push_back(std::move(message)); }
    void post_grant(const Grant&) override {}
    void post_control(ControlMessage message) override { to_control.push_back(std::move(message)); }
    [[nodiscard]] unsigned workers() const override { return 1; }
    Io& io(WorkerId) override { return io_; }

  private:
    void run();
    bool fly();

    Prng random_{1};
    SimTrace trace_{1};
    SimClock clock_;
    SimNet net_{random_, trace_, {}};
    SimIo io_{net_};
    ConfigPtr config_;
    EndpointTable endpoints_{1};
    PoolSet pools_;
    HostTable hosts_;
    ParameterNames names_;
    Shared shared_;
    Worker worker_;
    std::vector<LinkPtr> links_;
    std::vector<WorkerMessage> inbox_;
};

}  // namespace weir::sim
