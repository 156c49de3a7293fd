// DatabaseOrders: what an administrator does to databases: PAUSE, RESUME, SUSPEND, KILL, DISABLE,
// ENABLE, RECONNECT. Owner: Control. Thread: control.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/control/context.h"
#include "proxy/control/suspension.h"

namespace weir {

// Every worker closes the clients of the database (empty: of all) and their servers.
void kill_clients(WorkerGroup& workers, const std::string& database);
// The connections to the servers of the database (of all without a name) are not what is wanted
// now: idle ones are closed, others when they come back.
void recycle(ControlContext& context, const std::optional<std::string>& database,
             std::string_view reason);

class DatabaseOrders {
  public:
    DatabaseOrders(ControlContext& context, Suspension& suspension)
        : ctx_(context), suspension_(suspension) {}

    // See Inspector.
    Status pause(const std::optional<std::string>& database);
    Status resume(const std::optional<std::string>& database);
    Status kill(const std::optional<std::string>& database);
    Status set_disabled(const std::string& database, bool is_disabled);
    Status reconnect(const std::optional<std::string>& database);
    Result<size_t> outdated(const std::optional<std::string>& database);
    Status suspend();
    [[nodiscard]] bool is_quiet(const std::optional<std::string>& database);
    [[nodiscard]] bool is_suspended() const { return suspension_.is_on(); }
    // All databases are.
    [[nodiscard]] bool is_paused() const { return ctx_.pools.are_all_paused(); }

    // The process ends when the servers are quiet: nobody resumes any more.
    void pause_for_good();
    // They were in the process that ours takes over from.
    void take_over(bool is_paused) { ctx_.pools.pause_all(is_paused); }

  private:
    // No name: all of them.
    void note(const std::optional<std::string>& database, std::string event);
    Status for_databases(const std::optional<std::string>& name,
                         const std::function<Status(DatabaseState&)>& action);
    // Nothing is paused as a whole. PgBouncer's error.
    [[nodiscard]] Status is_running() const;
    void close_idle_of_paused(std::string_view reason);

    ControlContext& ctx_;
    Suspension& suspension_;
    bool are_all_killed_ = false;  // KILL without a name has paused them one by one
    bool is_for_good_ = false;
};

}  // namespace weir
