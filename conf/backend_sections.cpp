#include "conf/backend_sections.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

namespace weir {

void BackendSections::open(std::string_view name, const IniPlace& at) {
    open_ = name;
    Definition definition{begin_backend(name), at};
    tell(definition.parsed.problems, at);
    definitions_.insert_or_assign(open_, std::move(definition));
}

void BackendSections::setting(std::string_view key, std::string_view value, const IniPlace& at) {
    Definition& definition = definitions_.at(open_);  // a header came before, whatever its name
    set_backend(definition.parsed, key, value);
    tell(definition.parsed.problems, at);
}

void BackendSections::line(std::string_view name, std::string_view text, const IniPlace& at) {
    Definition definition{parse_backend(name, text), at};
    tell(definition.parsed.problems, at);
    definitions_.insert_or_assign(std::string(name), std::move(definition));
}

void BackendSections::resolve(Config& config, const PlaceOf& place_of) {
    for (auto& [name, definition] : definitions_) {
        std::vector<std::string> missing = missing_of(definition.parsed.entry);
        tell(missing, definition.at);
        config.backends.insert_or_assign(name, definition.parsed.entry);
    }
    for (auto& [name, database] : config.databases) {
        resolve(database, config, place_of);
    }
    if (config.wildcard_database) resolve(*config.wildcard_database, config, place_of);
}

void BackendSections::resolve(DatabaseConfig& database, const Config& config,
                              const PlaceOf& place_of) {
    if (!database.has_named_backends) {
        database.backends = backends_of_hosts(database, config.global.unix_socket_dir);
        return;
    }
    for (BackendConfig& backend : database.backends) {
        const auto found = config.backends.find(backend.name);
        if (found != config.backends.end()) {
            backend = found->second;
            database.hosts.push_back(backend.host);
            database.ports.push_back(backend.port);
            continue;
        }
        const IniPlace at = place_of("databases", database.name);
        add_error(errors_, {at.file, at.line,
                            fmt::format("database \"{}\": unknown backend \"{}\"{}", database.name,
                                        backend.name, remedy_for(backend.name))});
    }
}

std::string BackendSections::remedy_for(const std::string& name) const {
    std::vector<std::string_view> names;
    for (const auto& [known, definition] : definitions_) {
        names.emplace_back(known);
    }
    return fmt::format("; define it in [backends] or in a section [backend:{}]{}", name,
                       did_you_mean(name, names));
}

const IniPlace* BackendSections::place_of(const std::string& name) const {
    const auto it = definitions_.find(name);
    return it == definitions_.end() ? nullptr : &it->second.at;
}

void BackendSections::tell(std::vector<std::string>& problems, const IniPlace& at) {
    for (std::string& problem : problems) {
        add_error(errors_, {at.file, at.line, std::move(problem)});
    }
    problems.clear();  // told once: a section goes on after it
}

}  // namespace weir
