// DatabaseOrders: what an administrator does to databases: PAUSE, RESUME, KILL. Owner: Control.
// Thread: control.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "proxy/control/context.h"

namespace weir {

// Every worker closes the clients of the database (empty: of all) and their servers.
void kill_clients(WorkerGroup& workers, const std::string& database);

class DatabaseOrders {
  public:
    explicit DatabaseOrders(ControlContext& context) : ctx_(context) {}

    // See Inspector.
    Status pause(const std::optional<std::string>& database);
    Status resume(const std::optional<std::string>& database);
    Status kill(const std::optional<std::string>& database);
    [[nodiscard]] bool is_quiet(const std::optional<std::string>& database);
    // All databases are.
    [[nodiscard]] bool is_paused() const { return is_paused_; }

  private:
    Status for_databases(const std::optional<std::string>& name,
                         const std::function<Status(DatabaseState&)>& action);

    ControlContext& ctx_;
    bool is_paused_ = false;
};

}  // namespace weir
