#include "conf/backend_edit.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "conf/backend_check.h"
#include "conf/backend_entries.h"
#include "conf/limits.h"
#include "conf/value.h"

namespace weir {

namespace {

constexpr const char* kAdd = "ADD BACKEND";
constexpr const char* kRemove = "REMOVE BACKEND";

// `command` is where the mistake is, as a file and a line are for what was read from there.
tl::unexpected<Error> refuse(const char* command, const char* sqlstate, const std::string& text) {
    return fail(sqlstate, fmt::format("{}: {}", command, text));
}

tl::unexpected<Error> refuse_all(const char* command, const std::vector<std::string>& problems) {
    std::vector<std::string> lines;
    for (const std::string& problem : problems) {
        lines.push_back(fmt::format("{}: {}", command, problem));
    }
    return fail("22023", fmt::format("{}", fmt::join(lines, "\n")));
}

// The entry itself, not one made from `*`; null when there is none.
DatabaseConfig* find_entry(Config& config, const std::string& name) {
    if (name == "*") return config.wildcard_database ? &*config.wildcard_database : nullptr;
    const auto it = config.databases.find(name);
    return it == config.databases.end() ? nullptr : &it->second;
}

const DatabaseConfig* find_entry(const Config& config, const std::string& name) {
    if (name == "*") return config.wildcard_database ? &*config.wildcard_database : nullptr;
    const auto it = config.databases.find(name);
    return it == config.databases.end() ? nullptr : &it->second;
}

tl::unexpected<Error> no_such_database(const Config& config, const char* command,
                                       const std::string& name) {
    if (!config.wildcard_database) {
        return refuse(
            command, "3D000",
            fmt::format("no such database: \"{}\"; SHOW DATABASES lists those there are", name));
    }
    const bool is_routed_too = is_routed(config, *config.wildcard_database);
    return refuse(
        command, "3D000",
        fmt::format("database \"{}\" has no entry of its own, it comes from \"*\"; add an "
                    "entry with backends= to [databases] and RELOAD{}",
                    name, is_routed_too ? ", or name \"*\" instead" : ""));
}

tl::unexpected<Error> not_routed(const char* command, const DatabaseConfig& database) {
    return refuse(
        command, "55000",
        fmt::format("database \"{}\" is not routed over backends, its clients count on what host= "
                    "says; write backends= with the names of all its servers in place of host= "
                    "and port= in [databases], define each in [backends], and RELOAD",
                    database.name));
}

std::vector<BackendConfig>::const_iterator find_backend(const DatabaseConfig& database,
                                                        const std::string& name) {
    return std::find_if(database.backends.begin(), database.backends.end(),
                        [&name](const BackendConfig& backend) { return backend.name == name; });
}

bool has_endpoint(const DatabaseConfig& database, const BackendConfig& wanted) {
    return std::any_of(
        database.backends.begin(), database.backends.end(),
        [&wanted](const BackendConfig& backend) { return is_same_endpoint(backend, wanted); });
}

// Hosts and ports are the backends', as the loader has them. From now on it is a list by name, so
// that it stays routed even when only one is left.
void settle(DatabaseConfig& database) {
    database.has_named_backends = true;
    database.hosts.clear();
    database.ports.clear();
    for (const BackendConfig& backend : database.backends) {
        database.hosts.push_back(backend.host);
        database.ports.push_back(backend.port);
    }
}

// The definition that is meant: a new one, or the one that is there.
Result<BackendConfig> definition_of(const Config& running, const BackendAddition& wanted) {
    const auto known = running.backends.find(wanted.name);
    if (wanted.settings.empty()) {
        if (known != running.backends.end()) return known->second;
        return refuse(
            kAdd, "42704",
            fmt::format("no backend \"{0}\" is defined; say where it is, as in ADD BACKEND "
                        "{0} 'host=10.0.0.3' TO database",
                        wanted.name));
    }
    ParsedEntry<BackendConfig> parsed = parse_backend(wanted.name, wanted.settings);
    std::vector<std::string> problems = std::move(parsed.problems);
    if (problems.empty()) problems = missing_of(parsed.entry);
    if (!problems.empty()) return refuse_all(kAdd, problems);
    if (known == running.backends.end() || known->second == parsed.entry) return parsed.entry;
    return refuse(
        kAdd, "42710",
        fmt::format("the name \"{}\" is in use with other settings (host={} port={} "
                    "weight={}); choose another name, or leave the settings out to use "
                    "that one",
                    wanted.name, known->second.host, known->second.port, known->second.weight));
}

Result<ConfigPtr> checked(std::shared_ptr<Config> config, const char* command) {
    const PlaceOf place_of = [command](const std::string&, const std::string&) {
        return IniPlace{command, 0};
    };
    std::vector<std::string> problems;
    for (const ConfigError& error : check_backends(*config, place_of)) {
        problems.push_back(error.message);
    }
    if (!problems.empty()) return refuse_all(command, problems);
    return ConfigPtr(std::move(config));
}

bool is_used(const Config& config, const std::string& name) {
    const auto uses = [&name](const DatabaseConfig& database) {
        return find_backend(database, name) != database.backends.end();
    };
    return (config.wildcard_database && uses(*config.wildcard_database)) ||
           std::any_of(config.databases.begin(), config.databases.end(),
                       [&uses](const auto& entry) { return uses(entry.second); });
}

// The entries that lose the backend. Empty: nobody has it.
std::vector<DatabaseConfig*> losers(Config& config, const std::string& name,
                                    const std::optional<std::string>& only) {
    std::vector<DatabaseConfig*> found;
    const auto look = [&](DatabaseConfig& database) {
        if (only && database.name != *only) return;
        if (!only && !is_routed(config, database)) return;
        if (find_backend(database, name) != database.backends.end()) found.push_back(&database);
    };
    for (auto& [key, database] : config.databases) {
        look(database);
    }
    if (config.wildcard_database) look(*config.wildcard_database);
    return found;
}

}  // namespace

Result<ConfigPtr> with_backend(const Config& running, const BackendAddition& wanted) {
    auto next = std::make_shared<Config>(running);
    DatabaseConfig* database = find_entry(*next, wanted.database);
    if (database == nullptr) return no_such_database(running, kAdd, wanted.database);
    if (!is_routed(*next, *database)) return not_routed(kAdd, *database);
    const Result<BackendConfig> backend = definition_of(running, wanted);
    if (!backend) return tl::unexpected<Error>(backend.error());
    if (find_backend(*database, wanted.name) != database->backends.end()) {
        return refuse(
            kAdd, "42710",
            fmt::format("database \"{}\" has the backend \"{}\" already; REWEIGHT changes "
                        "its share",
                        wanted.database, wanted.name));
    }
    if (database->backends.size() >= static_cast<size_t>(kBackendsMax)) {
        return refuse(kAdd, "22023",
                      fmt::format("database \"{}\": {} backends are too many; give at most {}",
                                  wanted.database, database->backends.size() + 1, kBackendsMax));
    }
    database->backends.push_back(*backend);
    settle(*database);
    BackendEdits& edits = next->backend_edits;
    if (next->backends.emplace(wanted.name, *backend).second) edits.defined.insert(wanted.name);
    const BackendEdits::Use use{wanted.database, wanted.name};
    if (edits.removed.erase(use) == 0) edits.added.insert(use);
    next->add_to_digest("ADD BACKEND " + wanted.name + " " + wanted.settings + " TO " +
                        wanted.database);
    return checked(std::move(next), kAdd);
}

Result<ConfigPtr> without_backend(const Config& running, const std::string& name,
                                  const std::optional<std::string>& database) {
    auto next = std::make_shared<Config>(running);
    if (database) {
        const DatabaseConfig* entry = find_entry(running, *database);
        if (entry == nullptr) return no_such_database(running, kRemove, *database);
        if (!is_routed(running, *entry)) return not_routed(kRemove, *entry);
    }
    const std::vector<DatabaseConfig*> all = losers(*next, name, database);
    if (all.empty()) {
        return refuse(kRemove, "42704",
                      fmt::format("no such backend{}: \"{}\"; SHOW BACKENDS lists those there are",
                                  database ? " of database \"" + *database + "\"" : "", name));
    }
    BackendEdits& edits = next->backend_edits;
    for (DatabaseConfig* loser : all) {
        if (loser->backends.size() == 1) {
            return refuse(kRemove, "55000",
                          fmt::format("backend \"{}\" is the last one of database \"{}\"; add "
                                      "another first, or remove the database from [databases] and "
                                      "RELOAD",
                                      name, loser->name));
        }
        loser->backends.erase(find_backend(*loser, name));
        settle(*loser);
        const BackendEdits::Use use{loser->name, name};
        if (edits.added.erase(use) == 0) edits.removed.insert(use);
    }
    // What the files define stays defined, to be added again.
    if (!is_used(*next, name) && edits.defined.erase(name) > 0) next->backends.erase(name);
    next->add_to_digest("REMOVE BACKEND " + name + " FROM " + database.value_or(""));
    return checked(std::move(next), kRemove);
}

std::vector<std::string> undone_edits(const Config& before, const Config& after) {
    std::vector<std::string> told;
    for (const auto& [database, name] : before.backend_edits.added) {
        const DatabaseConfig* was = find_entry(before, database);
        const DatabaseConfig* is = find_entry(after, database);
        const BackendConfig& backend = *find_backend(*was, name);
        if (is != nullptr && has_endpoint(*is, backend)) continue;
        told.push_back(fmt::format(
            "backend \"{0}\" ({1} port {2}), which ADD BACKEND had added to database \"{3}\", is "
            "dropped: the files do not have it; to keep it define it in [backends] and name it in "
            "backends= of the database",
            name, backend.host, backend.port, database));
    }
    for (const auto& [database, name] : before.backend_edits.removed) {
        const DatabaseConfig* is = find_entry(after, database);
        if (is == nullptr || find_backend(*is, name) == is->backends.end()) continue;
        told.push_back(fmt::format(
            "backend \"{0}\", which REMOVE BACKEND had taken from database \"{1}\", is back: the "
            "files still have it; to be rid of it take it out of backends= of the database",
            name, database));
    }
    return told;
}

}  // namespace weir
