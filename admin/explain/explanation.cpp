#include "admin/explain/explanation.h"

#include <spdlog/fmt/fmt.h>

#include <optional>
#include <utility>

#include "conf/option_table.h"
#include "conf/words.h"
#include "proxy/start/open_files.h"

namespace weir {

namespace {

// What concerns everybody, in the order in which it is told.
constexpr const char* kProcessOptions[] = {
    "listen_addr",
    "listen_port",
    "unix_socket_dir",
    "auth_type",
    "auth_file",
    "auth_hba_file",
    "client_tls_sslmode",
    "server_tls_sslmode",
    "max_client_conn",
    "admin_users",
    "metrics_listen",
    "stats_users",
    "logfile",
    "syslog",
    "workers",
    "server_idle_timeout",
    "query_timeout",
    "transaction_timeout",
    "idle_transaction_timeout",
    "client_idle_timeout",
    "shutdown_drain",
};

std::string number_or_unlimited(long number) {
    return number == kUnlimited ? "unlimited" : std::to_string(number);
}

Fact option_fact(const Review& review, const char* name, const char* called = nullptr) {
    const Option* option = find_option(name);
    std::string value = option_text(review.config.global, *option).value_or("");
    return {called == nullptr ? name : called, value.empty() ? "(none)" : value,
            review.source_of(to_string(option->section()), name)};
}

// The facts of one database: from its entry, or the option that it falls back on.
class DatabaseFacts {
  public:
    DatabaseFacts(const Review& review, const DatabaseConfig& database)
        : review_(review),
          config_(review.config),
          database_(database),
          source_(review.source_of("databases", database.name)) {}

    FactList take() {
        servers();
        names();
        sizes();
        routing();
        times();
        return {database_.name, source_, std::move(facts_)};
    }

  private:
    void add(const char* name, std::string value, std::string source) {
        facts_.push_back({name, std::move(value), std::move(source)});
    }
    // In effect is `value`; the entry says it, or else the option.
    void either(bool is_own, const char* name, std::string value) {
        const Option* option = find_option(name);
        add(name, std::move(value),
            is_own ? source_ : review_.source_of(to_string(option->section()), name));
    }
    void limit(bool is_own, const char* name, int value) {
        either(is_own, name, value == 0 ? "unlimited" : std::to_string(value));
    }

    void servers() {
        for (const BackendConfig& backend : database_.backends) {
            std::string text = fmt::format("{} port {}", backend.host, backend.port);
            if (database_.has_named_backends) {
                text = fmt::format("{} = {}, role {}, weight {}", backend.name, text,
                                   to_string(backend.role), backend.weight);
                if (!backend.zone.empty()) text += ", zone " + backend.zone;
                if (backend.max_connections > 0)
                    text += fmt::format(", at most {} connections", backend.max_connections);
            }
            const bool is_unnamed = database_.hosts.empty() && !database_.has_named_backends;
            add("server", text,
                database_.has_named_backends ? review_.source_of("backends", backend.name)
                : is_unnamed                 ? review_.source_of("pgbouncer", "unix_socket_dir")
                                             : source_);
        }
    }

    void names() {
        const bool is_wildcard = database_.name == "*";
        add("dbname",
            is_wildcard && database_.dbname.empty() ? "(the name asked for)" : database_.dbname,
            source_);
        if (database_.user) {
            add("user", *database_.user + " (all clients share one pool)", source_);
            const bool is_in_file = config_.find_secret(*database_.user) != nullptr;
            add("password",
                database_.password ? "(set)"
                : is_in_file       ? "(in auth_file)"
                                   : "(none)",
                database_.password ? source_ : review_.source_of("pgbouncer", "auth_file"));
        } else {
            add("user",
                fmt::format("the client's (a pool each; {} known users)", config_.secrets.size()),
                "default");
        }
        if (database_.auth_user || !config_.global.auth_user.empty()) {
            either(database_.auth_user.has_value(), "auth_user",
                   database_.auth_user.value_or(config_.global.auth_user));
        }
        if (database_.connect_query) add("connect_query", *database_.connect_query, source_);
        for (const auto& [name, value] : database_.startup_parameters)
            add(name.c_str(), value, source_);
    }

    void sizes() {
        const std::string user = pool_user(database_);
        const UserConfig* forced = database_.user ? config_.find_user(user) : nullptr;
        const std::string of_user = review_.source_of("users", user);
        const auto of = [&](bool is_users, bool is_own, const char* option) {
            return is_users ? of_user
                   : is_own ? source_
                            : review_.source_of(to_string(find_option(option)->section()), option);
        };
        add("pool_mode", to_string(effective_pool_mode(config_, database_, user)),
            of(forced != nullptr && forced->pool_mode, database_.pool_mode.has_value(),
               "pool_mode"));
        const int size = effective_pool_size(config_, database_, user);
        add("pool_size", size == 0 ? "unlimited" : std::to_string(size),
            of(forced != nullptr && forced->pool_size >= 0, database_.pool_size >= 0,
               "default_pool_size"));
        either(database_.min_pool_size >= 0, "min_pool_size",
               std::to_string(effective_min_pool_size(config_, database_)));
        add("reserve_pool_size",
            std::to_string(effective_reserve_pool_size(config_, database_, user)),
            of(forced != nullptr && forced->reserve_pool_size >= 0,
               database_.reserve_pool_size >= 0, "reserve_pool_size"));
        either(database_.pool_sizing.has_value(), "pool_sizing",
               to_string(effective_pool_sizing(config_, database_)));
        limit(database_.max_db_connections >= 0, "max_db_connections",
              effective_max_db_connections(config_, database_));
        limit(database_.max_db_client_connections >= 0, "max_db_client_connections",
              effective_max_db_client_connections(config_, database_));
    }

    void routing() {
        if (database_.backends.size() < 2 && !database_.has_named_backends) return;
        const bool is_by_transaction = is_routed(config_, database_);
        add("balancing",
            is_by_transaction ? "each transaction goes where it is best served"
                              : "the servers are used in turn by one pool",
            "computed");
        if (!is_by_transaction) return;
        either(database_.load_balance.has_value(), "load_balance",
               to_string(effective_load_balance(config_, database_)));
        either(database_.target_session_attrs.has_value(), "target_session_attrs",
               to_string(effective_target_session_attrs(config_, database_, "")));
        either(database_.read_write_split.has_value(), "read_write_split",
               effective_read_write_split(config_, database_) ? "1" : "0");
    }

    // Those of users with times of their own are among the users.
    void times() {
        const auto time = [this](bool is_own, const char* name, Duration value) {
            either(is_own, name, value.count() == 0 ? "never" : seconds_text(value) + " s");
        };
        time(database_.query_wait_timeout && database_.query_wait_timeout->count() > 0,
             "query_wait_timeout", effective_query_wait_timeout(config_, database_, ""));
        time(database_.server_lifetime && database_.server_lifetime->count() > 0, "server_lifetime",
             effective_server_lifetime(config_, database_));
        const long most = worst_case_of(config_, database_);
        add("server connections",
            (most == kUnlimited ? "unlimited" : fmt::format("{} at the most", most)) +
                std::string(database_.name == "*" ? ", for each name"
                            : has_unknown_users(config_, database_)
                                ? ", and more with users that no file names"
                                : ""),
            "computed");
    }

    const Review& review_;
    const Config& config_;
    const DatabaseConfig& database_;
    const std::string source_;
    std::vector<Fact> facts_;
};

FactList user_facts(const Review& review, const UserConfig& user) {
    FactList out{user.name, review.source_of("users", user.name), {}};
    const auto add = [&out](const char* name, std::string value) {
        out.facts.push_back({name, std::move(value), out.source});
    };
    const auto size = [&add](const char* name, int value) {
        if (value >= 0) add(name, value == 0 ? "unlimited" : std::to_string(value));
    };
    const auto time = [&add](const char* name, const std::optional<Duration>& value) {
        if (value && value->count() > 0) add(name, seconds_text(*value) + " s");
    };
    if (user.pool_mode) add("pool_mode", to_string(*user.pool_mode));
    size("pool_size", user.pool_size);
    size("reserve_pool_size", user.reserve_pool_size);
    size("max_user_connections", user.max_user_connections);
    size("max_user_client_connections", user.max_user_client_connections);
    time("query_timeout", user.query_timeout);
    time("idle_transaction_timeout", user.idle_transaction_timeout);
    time("transaction_timeout", user.transaction_timeout);
    time("client_idle_timeout", user.client_idle_timeout);
    time("query_wait_timeout", user.query_wait_timeout);
    if (user.target_session_attrs)
        add("target_session_attrs", to_string(*user.target_session_attrs));
    return out;
}

std::vector<Fact> totals(const Review& review) {
    std::vector<Fact> out;
    const GlobalConfig& global = review.config.global;
    out.push_back({"clients", std::to_string(global.max_client_conn),
                   review.source_of("pgbouncer", "max_client_conn")});
    out.push_back({"users known", std::to_string(review.config.secrets.size()),
                   review.source_of("pgbouncer", "auth_file")});
    long servers = 0;
    for (const BackendLoad& load : worst_case(review.config)) {
        const bool is_limited = servers != kUnlimited && load.connections != kUnlimited;
        servers = is_limited ? servers + load.connections : kUnlimited;
    }
    out.push_back({"server connections", number_or_unlimited(servers), "computed"});
    out.push_back(
        {"open files needed", std::to_string(expected_open_files(review.config)), "computed"});
    const long limit = review.around.open_files;
    out.push_back({"open files allowed", limit == 0 ? "(not known)" : std::to_string(limit),
                   "ulimit -Hn of this shell"});
    return out;
}

}  // namespace

Explanation explain(const std::string& path, const CheckReport& report,
                    const Surroundings& around) {
    const Review review{path, *report.loaded.config, report.loaded.places, around};
    Explanation out;
    for (const char* name : kProcessOptions)
        out.process.push_back(option_fact(review, name));
    for (const DatabaseConfig* database : review.databases())
        out.databases.push_back(DatabaseFacts(review, *database).take());
    for (const auto& [name, user] : review.config.users)
        out.users.push_back(user_facts(review, user));
    out.servers = worst_case(review.config);
    out.totals = totals(review);
    out.warnings = report.warnings;
    out.advice = advise(review);
    return out;
}

}  // namespace weir
