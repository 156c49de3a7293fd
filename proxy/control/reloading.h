// Reloading: the one way from one configuration to another while running, by RELOAD, by SET and by
// the commands that edit backends. Owner: Control. Thread: control.
#pragma once

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
    // Everybody has `next` from now on; what it makes of pools that exist is done. With an error
    // (TLS cannot be set up so) nothing has changed.
    Status apply(ConfigPtr next);

    Status set_option(const std::string& name, const std::string& value);

  private:
    Status read_files();
    void reopen_log();

    ControlContext& ctx_;
};

}  // namespace weir
