#include "proxy/control/reloading.h"

#include <utility>
#include <vector>

#include "conf/diff.h"
#include "conf/loader.h"
#include "conf/logging.h"
#include "conf/option_edit.h"
#include "proxy/control/database_orders.h"
#include "proxy/health_plan.h"

namespace weir {

Status Reloading::reload() {
    if (ctx_.is_succeeded) {
        log::warning("another process has taken over: reload that one");
        return fail("55006", "another process has taken over: reload that one");
    }
    const bool is_up = !ctx_.shared.is_shutting_down.load();
    if (is_up) ctx_.service.reloading();
    const Status done = read_files();
    ctx_.loaded_at = ctx_.clock.now();
    ctx_.has_loaded = done.has_value();
    if (is_up) ctx_.service.ready();
    return done;
}

Status Reloading::read_files() {
    const std::string& named = ctx_.config->global.conffile;
    const std::string file = named.empty() ? ctx_.config_file : named;
    const LoadResult loaded = load_config(file, ctx_.config.get());
    if (!loaded.config) {
        std::string all;
        for (const ConfigError& error : loaded.errors) {
            const std::string line = to_string(error);
            log::error("{}", line);
            all += (all.empty() ? "" : "\n") + line;
        }
        log::warning("config file loading failed");
        ctx_.note(ProcessEvent::Kind::Reload, file, "failed", all);
        return fail("F0000", all);
    }
    const std::vector<std::string> undone = undone_edits(*ctx_.config, *loaded.config);
    if (Status applied = apply(loaded.config); !applied) {
        log::error("{}", applied.error().message);
        ctx_.note(ProcessEvent::Kind::Reload, file, "failed", applied.error().message);
        return applied;
    }
    reopen_log();
    log::info("configuration reloaded from {}", file);
    ctx_.note(ProcessEvent::Kind::Reload, file, "reloaded");
    for (const std::string& text : undone)
        log::warning("{}", text);
    for (const ConfigNote& note : ctx_.config->warnings)
        log::warning("{}", to_string(ConfigError{note.file, note.line, note.text}));
    return {};
}

Status Reloading::set_option(const std::string& name, const std::string& value) {
    Result<ConfigPtr> next = with_option(*ctx_.config, name, value);
    if (!next) return tl::unexpected<Error>(next.error());
    if (Status applied = apply(std::move(*next)); !applied) {
        log::error("{}", applied.error().message);
        return applied;
    }
    reopen_log();
    ctx_.note(ProcessEvent::Kind::Reload, name, "set");  // without the value: it may be a secret
    return {};
}

void Reloading::reopen_log() {
    if (Status reopened = init_logging(ctx_.config->global, ctx_.is_quiet); !reopened) {
        log::error("{}", reopened.error().message);
    }
}

Status Reloading::add_backend(const BackendAddition& wanted) {
    Result<ConfigPtr> next = with_backend(*ctx_.config, wanted);
    if (!next) return tl::unexpected<Error>(next.error());
    if (Status applied = apply(std::move(*next)); !applied) return applied;
    const BackendConfig& backend = ctx_.config->backends.at(wanted.name);
    log::info("backend \"{}\" ({} port {}) added to database \"{}\", until a RELOAD", wanted.name,
              backend.host, backend.port, wanted.database);
    ctx_.note(ProcessEvent::Kind::Reload, wanted.name, "backend added",
              "to database \"" + wanted.database + "\"");
    return {};
}

Status Reloading::remove_backend(const std::string& name,
                                 const std::optional<std::string>& database) {
    Result<ConfigPtr> next = without_backend(*ctx_.config, name, database);
    if (!next) return tl::unexpected<Error>(next.error());
    if (Status applied = apply(std::move(*next)); !applied) return applied;
    log::info("backend \"{}\" removed from {}, until a RELOAD", name,
              database ? "database \"" + *database + "\"" : "all databases");
    ctx_.note(ProcessEvent::Kind::Reload, name, "backend removed",
              database ? "from database \"" + *database + "\"" : "from all databases");
    return {};
}

Status Reloading::apply(ConfigPtr next) {
    const TlsContextsPtr tls_before = ctx_.shared.tls.get();
    Result<TlsContextsPtr> tls = make_tls_contexts(next->global, *tls_before);
    if (!tls) return tl::unexpected<Error>(tls.error());
    if (on_config_) {
        if (Status done = on_config_(next->global); !done) return done;
    }
    const bool are_servers_stale =
        needs_new_servers(ctx_.config->global, *tls_before, next->global, **tls);
    const ConfigPtr before = std::exchange(ctx_.config, std::move(next));
    std::vector<std::string> removed;
    std::vector<std::string> recycled;
    ctx_.pools.for_each_database([&](DatabaseState& state) {
        const DatabaseFate fate = fate_of_database(*before, *ctx_.config, state.name);
        if (fate == DatabaseFate::Removed) removed.push_back(state.name);
        if (fate == DatabaseFate::Removed || fate == DatabaseFate::Recycled)
            recycled.push_back(state.name);
    });
    ctx_.pools.configure(*ctx_.config);
    ctx_.listeners.configure(ctx_.config->global);
    ctx_.shared.rates.configure(*ctx_.config);
    ctx_.checks.configure(ctx_.config->global);
    ctx_.insight.configure(ctx_.config->global);
    ctx_.shared.secret_cache.clear();  // who is asked, and what, may be others now
    for (const std::string& name : recycled)
        recycle(ctx_, name, "database configuration changed");
    ctx_.shared.tls.set(std::move(*tls));
    if (are_servers_stale) {
        ctx_.shared.tls_sessions.forget();
        recycle(ctx_, std::nullopt, "TLS configuration changed");
    }
    WorkerMessage message;
    message.kind = WorkerMessage::Kind::ConfigChanged;
    message.config = ctx_.config;
    ctx_.workers.broadcast(message);
    ctx_.janitor.empty_removed_pools(ctx_.clock.now());
    ctx_.health.configure(make_health_plan(*ctx_.config));
    for (const std::string& name : removed)
        kill_clients(ctx_.workers, name);
    return {};
}

}  // namespace weir
