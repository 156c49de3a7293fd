#include "conf/loader.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "conf/auth_rules.h"
#include "conf/backend_check.h"
#include "conf/backend_sections.h"
#include "conf/cross_check.h"
#include "conf/entries.h"
#include "conf/fingerprint.h"
#include "conf/limits.h"
#include "conf/option_table.h"
#include "conf/rate_limit_sections.h"
#include "conf/userlist.h"

namespace weir {

namespace {

constexpr std::string_view kBackendPrefix = "backend:";
constexpr std::string_view kRateLimitPrefix = "rate_limit:";

// Takes the events of the files in order and builds one Config; lives for one load.
class Loader {
  public:
    Loader(std::string path, const Config* previous, const FileReader& reader)
        : path_(std::move(path)), previous_(previous), reader_(reader) {}

    LoadResult run() {
        start_from_previous();
        if (read_files()) {
            if (!seen_pgbouncer_) {
                complain({path_, 0},
                         "there is no [pgbouncer] section; add the header, even without options");
            }
            read_auth_file();
            read_auth_rules();
        }
        keep_what_needs_a_restart();  // before backends: unix_socket_dir is one of them
        const auto place_of = [this](const std::string& section, const std::string& name) {
            return place(section, name);
        };
        backends_.resolve(*config_, place_of);
        // Only between values that could be read: else a default would be told as what the file
        // says.
        if (errors_.empty()) errors_ = check_backends(*config_, place_of);
        rate_limits_.resolve(*config_);
        if (!errors_.empty()) return {nullptr, std::move(errors_), {}};
        config_->fingerprint = fingerprint_.value();
        for (auto& [id, peer] : peers_) {
            config_->peers.push_back(std::move(peer));
        }
        std::vector<ConfigNote> found = cross_check(*config_, place_of);
        config_->warnings.insert(config_->warnings.end(), found.begin(), found.end());
        for (const auto& [name, backend] : config_->backends) {
            places_[{"backends", name}] = place("backends", name);
        }
        return {std::move(config_), {}, std::move(places_)};
    }

  private:
    enum class Section : uint8_t {
        None,
        Pgbouncer,
        Weir,
        Databases,
        Users,
        Peers,
        Backends,
        Backend,
        RateLimit,
        Unknown
    };

    IniPlace place(const std::string& section, const std::string& name) const {
        if (section == "backends") {
            const IniPlace* at = backends_.place_of(name);
            return at == nullptr ? IniPlace{path_, 0} : *at;
        }
        const auto it = places_.find({section, name});
        return it == places_.end() ? IniPlace{path_, 0} : it->second;
    }

    void start_from_previous() {
        config_->global.conffile = path_;
        if (previous_ == nullptr) return;
        for (const Option& option : option_table()) {
            if (option.default_text == nullptr && option.alias_of == nullptr) {
                copy_option(option, previous_->global, config_->global);
            }
        }
    }

    bool read_files() {
        const Result<std::string> text = reader_(path_);
        if (!text) {
            complain({path_, 0}, fmt::format("cannot read the file: {}; check the path and its "
                                             "permissions",
                                             text.error().message));
            return false;
        }
        const IniEvents events{
            [this](std::string_view section, const IniPlace& at) { on_section(section, at); },
            [this](std::string_view key, std::string_view value, const IniPlace& at) {
                on_value(key, value, at);
            }};
        parse_ini_text(*text, path_, reader_, events, errors_);
        return true;
    }

    void on_section(std::string_view name, const IniPlace& at) {
        section_name_ = name;
        if (name == "pgbouncer") {
            section_ = Section::Pgbouncer;
            seen_pgbouncer_ = true;
            reset(OptionSection::Pgbouncer);
        } else if (name == "weir") {
            section_ = Section::Weir;
            reset(OptionSection::Weir);
        } else if (name == "databases") {
            section_ = Section::Databases;
        } else if (name == "users") {
            section_ = Section::Users;
        } else if (name == "peers") {
            section_ = Section::Peers;
        } else if (name == "backends") {
            section_ = Section::Backends;
        } else if (name.substr(0, kBackendPrefix.size()) == kBackendPrefix) {
            section_ = Section::Backend;
            backends_.open(name.substr(kBackendPrefix.size()), at);
        } else if (name.substr(0, kRateLimitPrefix.size()) == kRateLimitPrefix) {
            section_ = Section::RateLimit;
            rate_limits_.open(name.substr(kRateLimitPrefix.size()), at);
        } else {
            section_ = Section::Unknown;  // its lines are skipped: one error is enough
            complain(at,
                     fmt::format("unknown section [{}]; the sections are [pgbouncer], [databases], "
                                 "[users], [peers], [weir], [backends], [backend:NAME] and "
                                 "[rate_limit:NAME]",
                                 name));
        }
    }

    // A header forgets what the file has set so far in that section, except options without
    // default.
    void reset(OptionSection section) {
        reset_section(config_->global, section);
        std::erase_if(places_, [section](const auto& place) {
            const Option* option = find_option(place.first.second);
            return place.first.first == to_string(section) && option != nullptr &&
                   option->default_text != nullptr;
        });
    }

    void on_value(std::string_view key, std::string_view value, const IniPlace& at) {
        if (errors_.size() > kConfigErrorsMax) return;  // no more are told: not a configuration
        fingerprint_.add(section_name_, key, value);
        switch (section_) {
            case Section::Pgbouncer: return on_option("pgbouncer", key, value, at);
            case Section::Weir: return on_option("weir", key, value, at);
            case Section::Databases: return on_database(key, value, at);
            case Section::Users: return on_user(key, value, at);
            case Section::Peers: return on_peer(key, value, at);
            case Section::Backends: return backends_.line(key, value, at);
            case Section::Backend: return backends_.setting(key, value, at);
            case Section::RateLimit: return rate_limits_.setting(key, value, at);
            case Section::Unknown: return;
            case Section::None:
                section_ = Section::Unknown;
                return complain(at,
                                fmt::format("\"{}\" stands before any section; put a header such "
                                            "as [pgbouncer] above it",
                                            key));
        }
    }

    void on_option(const char* section, std::string_view key, std::string_view value,
                   const IniPlace& at) {
        const Status set = set_option(config_->global, section, key, value);
        if (!set) return complain(at, set.error().message);
        places_[{section, std::string(key)}] = at;
    }

    void on_database(std::string_view name, std::string_view value, const IniPlace& at) {
        ParsedEntry<DatabaseConfig> parsed = parse_database(name, value);
        if (!accept("databases", name, parsed.problems, at)) return;
        if (name == "*") {
            config_->wildcard_database = std::move(parsed.entry);
        } else {
            config_->databases.insert_or_assign(std::string(name), std::move(parsed.entry));
        }
    }

    void on_user(std::string_view name, std::string_view value, const IniPlace& at) {
        ParsedEntry<UserConfig> parsed = parse_user(name, value);
        if (!accept("users", name, parsed.problems, at)) return;
        config_->users.insert_or_assign(std::string(name), std::move(parsed.entry));
    }

    void on_peer(std::string_view id, std::string_view value, const IniPlace& at) {
        ParsedEntry<PeerConfig> parsed = parse_peer(id, value);
        if (!accept("peers", id, parsed.problems, at)) return;
        peers_.insert_or_assign(parsed.entry.id, std::move(parsed.entry));
    }

    // Reports what an entry's line is wrong about; false when it cannot be used.
    bool accept(const char* section, std::string_view name,
                const std::vector<std::string>& problems, const IniPlace& at) {
        for (const std::string& problem : problems) {
            complain(at, problem);
        }
        places_[{section, std::string(name)}] = at;
        return problems.empty();
    }

    void read_auth_file() {
        const std::string& path = config_->global.auth_file;
        if (path.empty()) return;
        const Result<std::string> text = reader_(path);
        if (!text) {
            const auto at = places_.find({"pgbouncer", "auth_file"});
            return complain(
                at == places_.end() ? IniPlace{path_, 0} : at->second,
                fmt::format("cannot read auth_file \"{}\": {}; create it, or correct the "
                            "path, which is relative to the working directory",
                            path, text.error().message));
        }
        Userlist list = parse_userlist(*text, path);
        for (AuthFileUser& user : list.users) {
            config_->secrets.insert_or_assign(std::move(user.name), std::move(user.secret));
        }
        if (list.problem) config_->warnings.push_back(std::move(*list.problem));
    }

    // Once all options are known; an option at its default is told where auth_type is.
    void read_auth_rules() {
        const IniPlace at = place("pgbouncer", "auth_type");
        // Only between values that could be read, see run().
        if (errors_.empty()) {
            for (std::string& text : auth_contradictions(config_->global))
                complain(at, std::move(text));
        }
        const AuthFiles files{reader_, read_directory};
        for (ConfigError& error : load_auth_rules(*config_, files, at)) {
            add_error(errors_, std::move(error));
        }
    }

    void keep_what_needs_a_restart() {
        if (previous_ == nullptr) return;
        for (const Option& option : option_table()) {
            if (option.change == Change::Reload || option.alias_of != nullptr) continue;
            if (is_same_value(option, previous_->global, config_->global)) continue;
            config_->needs_restart.push_back({std::string(option.name),
                                              option_text(previous_->global, option).value_or(""),
                                              option_text(config_->global, option).value_or("")});
            copy_option(option, previous_->global, config_->global);
        }
    }

    void complain(const IniPlace& at, std::string message) {
        add_error(errors_, {at.file, at.line, std::move(message)});
    }

    const std::string path_;
    const Config* const previous_;
    const FileReader& reader_;
    std::shared_ptr<Config> config_ = std::make_shared<Config>();
    std::vector<ConfigError> errors_;
    BackendSections backends_{errors_};
    RateLimitSections rate_limits_{errors_};
    Section section_ = Section::None;
    std::string section_name_;
    Fingerprint fingerprint_;
    bool seen_pgbouncer_ = false;
    std::map<int, PeerConfig> peers_;
    // Where options and entries were set last, by (section, name).
    std::map<std::pair<std::string, std::string>, IniPlace> places_;
};

}  // namespace

LoadResult load_config(const std::string& path, const Config* previous) {
    return load_config_with(path, previous, read_file);
}

LoadResult load_config_with(const std::string& path, const Config* previous,
                            const FileReader& reader) {
    std::string all;
    const FileReader noting = [&reader, &all](const std::string& file) {
        Result<std::string> text = reader(file);
        all += file + '\0' + (text ? *text : std::string()) + '\0';
        return text;
    };
    LoadResult loaded = Loader(path, previous, noting).run();
    if (!loaded.config) return loaded;
    auto config = std::make_shared<Config>(*loaded.config);
    config->add_to_digest(all);
    loaded.config = std::move(config);
    return loaded;
}

}  // namespace weir
