#include "admin/console/backend_commands.h"

#include <charconv>
#include <utility>

#include "proxy/server/parameters.h"

namespace weir {

namespace {

using Order = HealthRegistry::Order;

// A number or DEFAULT; bounds are the registry's.
Result<std::optional<double>> parse_weight(const std::string& text) {
    if (equals_ignoring_case(text, "DEFAULT")) return std::optional<double>();
    double weight = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, weight);
    if (error != std::errc() || stop != end) {
        return fail("22023",
                    "invalid weight \"" + text + "\": give a number such as 50, or DEFAULT");
    }
    return std::optional<double>(weight);
}

void give(Inspector& inspector, const ConsoleStatement& statement, Order order, OnStatus done) {
    inspector.order(order, statement.backend(), std::move(done));
}

// After TO or FROM.
std::optional<std::string> database_of(const Command& command) {
    constexpr size_t kDatabase = 4;
    if (command.words.size() <= kDatabase) return std::nullopt;
    return command.words[kDatabase].text;
}

}  // namespace

CommandOutcome add_backend(Inspector& inspector, const ConsoleStatement& statement) {
    const BackendAddition wanted{.name = statement.backend(),
                                 .settings = statement.command.value,
                                 .database = *database_of(statement.command)};
    return CommandOutcome::of(inspector.add_backend(wanted), "ADD BACKEND");
}

CommandOutcome remove_backend(Inspector& inspector, const ConsoleStatement& statement) {
    return CommandOutcome::of(
        inspector.remove_backend(statement.backend(), database_of(statement.command)),
        "REMOVE BACKEND");
}

void drain_backend(Inspector& inspector, const ConsoleStatement& statement, OnStatus done) {
    give(inspector, statement, Order::Drain, std::move(done));
}

void disable_backend(Inspector& inspector, const ConsoleStatement& statement, OnStatus done) {
    give(inspector, statement, Order::Down, std::move(done));
}

void enable_backend(Inspector& inspector, const ConsoleStatement& statement, OnStatus done) {
    give(inspector, statement, Order::Enable, std::move(done));
}

void reweight_backend(Inspector& inspector, const ConsoleStatement& statement, OnStatus done) {
    const Result<std::optional<double>> weight = parse_weight(statement.command.words[2].text);
    if (!weight) return done(tl::unexpected<Error>(weight.error()));
    inspector.reweight(statement.backend(), *weight, std::move(done));
}

void open_breaker(Inspector& inspector, const ConsoleStatement& statement, OnStatus done) {
    give(inspector, statement, Order::BreakerOpen, std::move(done));
}

void close_breaker(Inspector& inspector, const ConsoleStatement& statement, OnStatus done) {
    give(inspector, statement, Order::BreakerClose, std::move(done));
}

void reset_breaker(Inspector& inspector, const ConsoleStatement& statement, OnStatus done) {
    give(inspector, statement, Order::BreakerReset, std::move(done));
}

void reset_roles(Inspector& inspector, const ConsoleStatement& statement, OnStatus done) {
    give(inspector, statement, Order::ResetRoles, std::move(done));
}

}  // namespace weir
