// Backends that come and go while everything runs, by the console and not by the files: from the
// running Config to another one that differs by one backend. What is asked for passes the checks
// that a file passes, with the same messages; the place that an error names is the command. The
// next load of the files knows nothing of it: undone_edits() tells what that takes back.
// Thread: any (pure functions).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conf/config.h"
#include "protocol/base/result.h"

namespace weir {

struct BackendAddition {
    std::string name;
    std::string settings;  // as in a line of [backends]; empty = the defined one of that name
    std::string database;  // an entry of [databases], "*" among them
};

// Only a routed database takes one (is_routed): who counts on one server would meet two.
[[nodiscard]] Result<ConfigPtr> with_backend(const Config& running, const BackendAddition& wanted);

// Without a database: from all that have it. `name` is the backend's, or host:port of one that has
// none.
[[nodiscard]] Result<ConfigPtr> without_backend(const Config& running, const std::string& name,
                                                const std::optional<std::string>& database);

// A sentence for each backend that was added to `before` and that `after`, of the files, does not
// have, and for each that was removed and is back.
[[nodiscard]] std::vector<std::string> undone_edits(const Config& before, const Config& after);

}  // namespace weir
