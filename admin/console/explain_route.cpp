#include "admin/console/explain_route.h"

#include <memory>
#include <utility>

#include "proxy/pool/route_explanation.h"

namespace weir {

namespace {

constexpr const char* kRemedy = "say EXPLAIN ROUTE FOR database statement";

Result<DatabaseConfig> database_of(const Config& config, const ConsoleStatement& statement) {
    const std::vector<Command::Word>& words = statement.command.words;
    if (words.size() > 2) {
        if (auto database = config.find_database(words[2].text)) return std::move(*database);
        return fail("08P01", "no such database: " + words[2].text + "; use SHOW DATABASES");
    }
    const DatabaseConfig* only = nullptr;
    std::string names;
    for (const auto& [name, database] : config.databases) {
        if (!is_routed(config, database)) continue;
        only = names.empty() ? &database : nullptr;
        names += (names.empty() ? "" : ", ") + name;
    }
    if (names.empty()) return fail("08P01", std::string("no database is routed; ") + kRemedy);
    if (only == nullptr)
        return fail("08P01", "several databases are routed (" + names + "); " + kRemedy);
    return *only;
}

struct Asker {
    std::string name;  // empty = nobody in particular
    std::string why;
};

// Who the question is about. With a forced user its pools are that user's, whoever the client is.
Asker asker_of(Inspector& inspector, const DatabaseConfig& database,
               const ConsoleStatement& statement) {
    const std::vector<Command::Word>& words = statement.command.words;
    if (words.size() > 3) return {words[3].text, "as asked"};
    const std::string left_out = "options of users are left out; USER name takes them in";
    if (database.user) return {"", left_out};
    Asker only;
    size_t count = 0;
    inspector.pools().for_each_group([&](PoolGroup& group) {
        if (group.key().database != database.name) return;
        only = {group.key().user, "the only one who has logged in"};
        ++count;
    });
    if (count == 1) return only;
    return {"", left_out};
}

}  // namespace

CommandOutcome explain_route(Inspector& inspector, const ConsoleStatement& statement) {
    const ConfigPtr config = inspector.config();
    const Result<DatabaseConfig> database = database_of(*config, statement);
    if (!database) return CommandOutcome::failed(database.error());
    const Asker asker = asker_of(inspector, *database, statement);
    PoolSet& pools = inspector.pools();
    const std::string user = database->user.value_or(asker.name);
    const PoolGroup* group = pools.find({database->name, user});
    std::unique_ptr<PoolSet::Sketch> sketch;
    if (group == nullptr) sketch = pools.sketch(*config, *database, user);
    const RouteQuestion question{.config = *config,
                                 .database = *database,
                                 .user = asker.name,
                                 .user_why = asker.why,
                                 .members = group != nullptr ? group->members() : sketch->members(),
                                 .sql = statement.command.sql,
                                 .now = inspector.now()};
    CommandOutcome outcome = CommandOutcome::done("EXPLAIN");
    for (RouteStep& step : weir::explain_route(question)) {
        outcome.rows.push_back({std::move(step.step), text_or_null(std::move(step.verdict)),
                                text_or_null(std::move(step.detail))});
    }
    return outcome;
}

}  // namespace weir
