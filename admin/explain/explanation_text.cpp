// What explain() has found, as text for people and as JSON.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "admin/explain/explanation.h"

namespace weir {

namespace {

using Json = nlohmann::ordered_json;

std::string lines_of(const std::vector<Fact>& facts) {
    size_t names = 0, values = 0;
    constexpr size_t kWidest = 44;  // a longer value pushes its source to the right
    for (const Fact& fact : facts) {
        names = std::max(names, fact.name.size());
        values = std::max(values, std::min(fact.value.size(), kWidest));
    }
    std::string text;
    for (const Fact& fact : facts) {
        text += fmt::format("  {:<{}}  {:<{}}  {}\n", fact.name, names, fact.value, values,
                            fact.source);
    }
    return text;
}

std::string server_line(const BackendLoad& load) {
    std::string text = load.name == load.endpoint
                           ? load.endpoint
                           : fmt::format("{} ({})", load.name, load.endpoint);
    text += load.connections == kUnlimited
                ? ": nothing limits the connections"
                : fmt::format(": at most {} connections{}", load.connections,
                              load.is_open_ended ? ", or more" : "");
    if (load.limit > 0) text += fmt::format(", by its max_connections of {}", load.limit);
    text += ", for ";
    for (size_t i = 0; i < load.databases.size(); ++i)
        text += (i == 0 ? "" : ", ") + load.databases[i];
    return "  " + text + "\n";
}

Json facts_json(const std::vector<Fact>& facts) {
    Json out = Json::object();
    for (const Fact& fact : facts) {
        Json value = {{"value", fact.value}, {"source", fact.source}};
        if (fact.name == "server") {  // may come several times
            out["servers"].push_back(std::move(value));
        } else {
            out[fact.name] = std::move(value);
        }
    }
    return out;
}

Json lists_json(const std::vector<FactList>& lists) {
    Json out = Json::object();
    for (const FactList& list : lists)
        out[list.name] = {{"source", list.source}, {"settings", facts_json(list.facts)}};
    return out;
}

}  // namespace

std::string explanation_text(const std::string& path, const Explanation& explanation) {
    std::string text = fmt::format("{}\n\nProcess\n{}", path, lines_of(explanation.process));
    for (const FactList& list : explanation.databases)
        text +=
            fmt::format("\nDatabase {}  ({})\n{}", list.name, list.source, lines_of(list.facts));
    for (const FactList& list : explanation.users)
        text += fmt::format("\nUser {}  ({})\n{}", list.name, list.source, lines_of(list.facts));
    text += "\nServers, at worst\n";
    for (const BackendLoad& load : explanation.servers)
        text += server_line(load);
    text += "\nTotals\n" + lines_of(explanation.totals);
    if (!explanation.warnings.empty()) text += "\nWarnings\n";
    for (const ConfigError& warning : explanation.warnings)
        text += "  " + to_string(warning) + "\n";
    text += explanation.advice.empty() ? "\nNo advice.\n" : "\nAdvice\n";
    for (const Advice& advice : explanation.advice) {
        text += fmt::format("  [{}] {}\n", advice.id,
                            to_string(ConfigError{advice.at.file, advice.at.line, advice.text}));
    }
    return text;
}

std::string explanation_json(const std::string& path, const Explanation& explanation) {
    Json out;
    out["file"] = path;
    out["process"] = facts_json(explanation.process);
    out["databases"] = lists_json(explanation.databases);
    out["users"] = lists_json(explanation.users);
    out["servers"] = Json::array();
    for (const BackendLoad& load : explanation.servers) {
        out["servers"].push_back(
            {{"name", load.name},
             {"endpoint", load.endpoint},
             {"connections", load.connections == kUnlimited ? Json() : Json(load.connections)},
             {"max_connections", load.limit == 0 ? Json() : Json(load.limit)},
             {"open_ended", load.is_open_ended},
             {"databases", load.databases}});
    }
    out["totals"] = facts_json(explanation.totals);
    out["warnings"] = Json::array();
    for (const ConfigError& warning : explanation.warnings)
        out["warnings"].push_back(
            {{"file", warning.file}, {"line", warning.line}, {"message", warning.message}});
    out["advice"] = Json::array();
    for (const Advice& advice : explanation.advice)
        out["advice"].push_back({{"id", advice.id},
                                 {"file", advice.at.file},
                                 {"line", advice.at.line},
                                 {"message", advice.text}});
    return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace weir
