// Reloading: the one way from one configuration to another while running, by RELOAD, by SET and by
// the commands that edit backends. Owner: Control. Thread: control.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "conf/backend_edit.h"
#include "proxy/control/context.h"

namespace weir {

class Reloading {
  public:
    explicit Reloading(ControlContext& context) : ctx_(context) {}

    // See Inspector.
    Status reload();
    Status add_backend(const BackendAddition& wanted);
    Status remove_backend(const std::string& name, const std::optional<std::string>& database);
    // Asked with each configuration that is to come into force; its error keeps the one that is.
    void set_on_config(std::function<Status(const GlobalConfig&)> on_config) {
        on_config_ = std::move(on_config);
    }
    // Everybody has `next` from now on; what it makes of pools that exist is done. With an error
    // (TLS cannot be set up so, a port is taken) nothing has changed.
    Status apply(ConfigPtr next);

    Status set_option(const std::string& name, const std::string& value);

  private:
    Status read_files();
    void reopen_log();

    ControlContext& ctx_;
    std::function<Status(const GlobalConfig&)> on_config_;
};

}  // namespace weir
