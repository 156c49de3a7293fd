// --explain-config: what a configuration comes to. For each database its servers, sizes, limits and
// times as they will be in effect, each with the line that says so or "default"; the same for what
// concerns everybody and for users with settings of their own; totals against the limits of servers
// and of this machine; warnings of the loader, and advice. Secrets are not told. Thread: main (pure
// functions).
#pragma once

#include <string>
#include <vector>

#include "admin/explain/advice.h"
#include "admin/explain/check_config.h"
#include "admin/explain/review.h"
#include "admin/explain/worst_case.h"

namespace weir {

struct Fact {
    std::string name;
    std::string value;
    std::string source;  // "FILE:LINE", "default", or where else it comes from
};

struct FactList {
    std::string name;
    std::string source;
    std::vector<Fact> facts;
};

struct Explanation {
    std::vector<Fact> process;
    std::vector<FactList> databases;
    std::vector<FactList> users;  // those of [users]
    std::vector<BackendLoad> servers;
    std::vector<Fact> totals;
    std::vector<ConfigError> warnings;
    std::vector<Advice> advice;
};

// `report` has a configuration.
Explanation explain(const std::string& path, const CheckReport& report, const Surroundings& around);

// For people.
std::string explanation_text(const std::string& path, const Explanation& explanation);
// The same for programs: {"file", "process", "databases", "users", "servers", "totals", "warnings",
// "advice"}; a fact is {"value", "source"} below its name.
std::string explanation_json(const std::string& path, const Explanation& explanation);

}  // namespace weir
