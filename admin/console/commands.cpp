#include "admin/console/commands.h"

#include <algorithm>

#include "admin/console/backend_commands.h"
#include "admin/console/explain_route.h"
#include "admin/console/set_command.h"
#include "admin/console/traffic_commands.h"
#include "conf/option_table.h"
#include "proxy/server/parameters.h"
#include "proxy/takeover/format.h"

namespace weir {

namespace {

// ---- what the commands do ----

CommandOutcome reload(Inspector& inspector, const ConsoleStatement&) {
    const Status reloaded = inspector.reload();
    if (reloaded) return CommandOutcome::done("RELOAD");
    return CommandOutcome::failed(Error("F0000", "RELOAD failed, see logs for additional details"),
                                  reloaded.error().message);
}

CommandOutcome shut_down(Inspector& inspector, const ConsoleStatement& statement) {
    ShutdownMode mode = ShutdownMode::Now;
    if (const auto word = statement.database()) {
        mode = equals_ignoring_case(*word, "WAIT_FOR_CLIENTS") ? ShutdownMode::WaitForClients
                                                               : ShutdownMode::WaitForServers;
    }
    CommandOutcome outcome = CommandOutcome::of(inspector.shutdown(mode), "SHUTDOWN");
    if (outcome.kind == CommandOutcome::Kind::Done && mode == ShutdownMode::Now) {
        outcome.kind = CommandOutcome::Kind::Ending;
    }
    return outcome;
}

// weir -R; what follows is not the console's business.
CommandOutcome take_over(Inspector&, const ConsoleStatement& statement) {
    const std::string format = std::to_string(kTakeoverFormat);
    if (statement.command.words[1].text != format) {
        return CommandOutcome::failed(
            Error("0A000", "this process hands over in format " + format + " only"));
    }
    CommandOutcome outcome = CommandOutcome::done("TAKEOVER");
    outcome.kind = CommandOutcome::Kind::HandOver;
    return outcome;
}

// SHOW is run by run_show(), which needs more than an Inspector.
CommandOutcome show(Inspector&, const ConsoleStatement&) {
    return CommandOutcome::done("SHOW");
}

// Drivers wrap what they run in transactions, and tidy up; there is little to do.
CommandOutcome transaction(std::string_view tag, bool is_begin) {
    CommandOutcome outcome = CommandOutcome::done(tag);
    outcome.is_in_transaction = is_begin;
    return outcome;
}
CommandOutcome begin(Inspector&, const ConsoleStatement&) {
    return transaction("BEGIN", true);
}
CommandOutcome commit(Inspector&, const ConsoleStatement&) {
    return transaction("COMMIT", false);
}
CommandOutcome roll_back(Inspector&, const ConsoleStatement&) {
    return transaction("ROLLBACK", false);
}
CommandOutcome reset(Inspector&, const ConsoleStatement&) {
    return CommandOutcome::done("RESET");
}

void reset_queries(Inspector& inspector, const ConsoleStatement&,
                   std::function<void(Status)> done) {
    inspector.reset_queries(std::move(done));
}

// DEALLOCATE [PREPARE] name | ALL
CommandOutcome deallocate(Inspector&, const ConsoleStatement& statement) {
    const std::string& name = statement.command.words.back().text;
    const bool is_all = statement.command.words.size() == 1 || equals_ignoring_case(name, "ALL");
    CommandOutcome outcome = CommandOutcome::done(is_all ? "DEALLOCATE ALL" : "DEALLOCATE");
    outcome.deallocated = is_all ? "" : name;
    return outcome;
}

CommandOutcome discard(Inspector&, const ConsoleStatement&) {
    CommandOutcome outcome = CommandOutcome::done("DISCARD ALL");
    outcome.deallocated = "";
    return outcome;
}

constexpr CommandSpec kCommands[] = {
    {"SHOW", Access::Everyone, Argument::Topic, show},
    {"SET", Access::Admin, Argument::Option, set_option},
    {"SET", Access::Everyone, Argument::Setting, ignore_setting},
    {"RELOAD", Access::Admin, Argument::None, reload},
    {"PAUSE", Access::Admin, Argument::OptionalDatabase, pause},
    {"RESUME", Access::Admin, Argument::OptionalDatabase, resume},
    {"SUSPEND", Access::Admin, Argument::None, suspend},
    {"KILL", Access::Admin, Argument::OptionalDatabase, kill},
    {"KILL_CLIENT", Access::Admin, Argument::Client, nullptr, kill_client},
    {"RECONNECT", Access::Admin, Argument::OptionalDatabase, reconnect},
    {"WAIT_CLOSE", Access::Admin, Argument::OptionalDatabase, wait_close},
    {"SHUTDOWN", Access::Admin, Argument::ShutdownMode, shut_down},
    {"TAKEOVER", Access::Admin, Argument::Format, take_over},
    {"DRAIN", Access::Admin, Argument::Backend, nullptr, drain_backend},
    {"DISABLE", Access::Admin, Argument::Backend, nullptr, disable_backend, "BACKEND"},
    {"ENABLE", Access::Admin, Argument::Backend, nullptr, enable_backend, "BACKEND"},
    {"REWEIGHT", Access::Admin, Argument::BackendWeight, nullptr, reweight_backend},
    {"ADD", Access::Admin, Argument::BackendTo, add_backend, nullptr, "BACKEND"},
    {"REMOVE", Access::Admin, Argument::BackendFrom, remove_backend, nullptr, "BACKEND"},
    {"BREAKER", Access::Admin, Argument::Backend, nullptr, open_breaker, "OPEN"},
    {"BREAKER", Access::Admin, Argument::Backend, nullptr, close_breaker, "CLOSE"},
    {"BREAKER", Access::Admin, Argument::Backend, nullptr, reset_breaker, "RESET"},
    {"RESET", Access::Admin, Argument::Backend, nullptr, reset_roles, "ROLES"},
    {"RESET", Access::Admin, Argument::None, nullptr, reset_queries, "QUERIES"},
    {"EXPLAIN", Access::Everyone, Argument::Statement, explain_route, nullptr, "ROUTE",
     kExplainRouteColumns},
    {"DISABLE", Access::Admin, Argument::Database, disable},
    {"ENABLE", Access::Admin, Argument::Database, enable},
    {"BEGIN", Access::Everyone, Argument::Any, begin},
    {"START", Access::Everyone, Argument::Any, begin},
    {"COMMIT", Access::Everyone, Argument::Any, commit},
    {"END", Access::Everyone, Argument::Any, commit},
    {"ROLLBACK", Access::Everyone, Argument::Any, roll_back},
    {"ABORT", Access::Everyone, Argument::Any, roll_back},
    {"RESET", Access::Everyone, Argument::Any, reset},
    {"DEALLOCATE", Access::Everyone, Argument::Any, deallocate},
    {"DISCARD", Access::Everyone, Argument::Any, discard},
};

// ---- finding the command ----

tl::unexpected<Error> unknown_command(const Command& command) {
    return tl::unexpected<Error>(not_a_command(command.text));
}

tl::unexpected<Error> unexpected_word(const Command& command, const Command::Word& word) {
    return tl::unexpected<Error>(not_a_command(
        command.text,
        "syntax error at character " + std::to_string(word.at) + ", near \"" + word.text + "\""));
}

bool has_object(const CommandSpec& spec, const Command& command) {
    if (spec.object.empty()) return true;
    // What follows it is a word of its own, but for SQL.
    const bool is_last = spec.argument == Argument::None;
    const size_t least = spec.argument == Argument::Statement || is_last ? 2 : 3;
    return command.words.size() >= least &&
           equals_ignoring_case(spec.object, command.words[1].text);
}

const CommandSpec* find_command(const Command& command) {
    const std::string& verb = command.words[0].text;
    // Tools for databases ask `SELECT version` and mean SHOW.
    const bool is_select = equals_ignoring_case(verb, "SELECT");
    const std::string_view word = is_select ? std::string_view("SHOW") : std::string_view(verb);
    const bool is_set = equals_ignoring_case(word, "SET");
    if (is_set && command.words.size() < 2) return nullptr;
    const bool is_setting = is_set && find_setting(command.words[1].text) != nullptr;
    for (const CommandSpec& spec : kCommands) {
        if (is_set && (spec.argument == Argument::Setting) != is_setting) continue;
        if (equals_ignoring_case(spec.word, word) && has_object(spec, command)) return &spec;
    }
    return nullptr;
}

const ShowSpec* find_topic(const Command& command) {
    std::string topic;
    for (size_t i = 1; i < command.words.size(); ++i) {
        topic += (topic.empty() ? "" : " ") + command.words[i].text;
    }
    return find_show(topic);
}

Status check_mode(const Command& command) {
    if (command.words.size() == 1) return {};
    const Command::Word& mode = command.words[1];
    const bool is_known = equals_ignoring_case(mode.text, "WAIT_FOR_SERVERS") ||
                          equals_ignoring_case(mode.text, "WAIT_FOR_CLIENTS");
    if (!is_known) return unexpected_word(command, mode);
    return {};
}

// What follows `ADD BACKEND name`, and the like.
Status check_database_of_backend(const Command& command, std::string_view keyword) {
    constexpr size_t kKeyword = 3;
    if (command.words.size() == kKeyword) return {};
    const Command::Word& word = command.words[kKeyword];
    if (!equals_ignoring_case(word.text, keyword)) return unexpected_word(command, word);
    if (command.words.size() == kKeyword + 1) return fail("08P01", "a database is required");
    return {};
}

const char* missing_text(Argument argument) {
    switch (argument) {
        case Argument::Format: return "a format";
        case Argument::Backend:
        case Argument::BackendFrom: return "a backend";
        case Argument::BackendWeight: return "a backend and its weight";
        case Argument::BackendTo: return "a backend and TO database";
        case Argument::Statement: return "a statement of SQL";
        default: return "a database";
    }
}

Status check_arguments(const CommandSpec& spec, const Command& command) {
    struct Count {
        size_t min, max;
    };
    Count words{1, kCommandWordsMax};
    switch (spec.argument) {
        case Argument::None: words = {1, 1}; break;
        case Argument::OptionalDatabase:
        case Argument::ShutdownMode: words = {1, 2}; break;
        case Argument::Database:
        case Argument::Client:
        case Argument::Format:
        case Argument::Backend: words = {2, 2}; break;
        case Argument::BackendWeight: words = {3, 3}; break;
        case Argument::BackendTo: words = {4, 4}; break;
        case Argument::BackendFrom: words = {2, 4}; break;
        default: break;  // the parser or the caller has checked it
    }
    const size_t of_object = spec.object.empty() ? 0 : 1;
    words = {words.min + of_object, words.max + of_object};
    if (command.words.size() > words.max) return unexpected_word(command, command.words[words.max]);
    const bool lacks_sql = spec.argument == Argument::Statement &&
                           command.sql.find_first_not_of(" \t\r\n;") == std::string::npos;
    if (command.words.size() < words.min && spec.argument == Argument::Client) {
        return fail("08P01", "invalid client pointer supplied");
    }
    if (command.words.size() < words.min || lacks_sql) {
        return fail("08P01", std::string(missing_text(spec.argument)) + " is required");
    }
    switch (spec.argument) {
        case Argument::ShutdownMode: return check_mode(command);
        case Argument::BackendTo: return check_database_of_backend(command, "TO");
        case Argument::BackendFrom: return check_database_of_backend(command, "FROM");
        default: return {};
    }
}

Status check_allowed(const ConsoleStatement& statement, bool is_admin) {
    const bool is_for_admins =
        statement.spec->access == Access::Admin ||
        (statement.show != nullptr && statement.show->access == Access::Admin);
    if (is_for_admins && !is_admin) return fail("08P01", "admin access needed");
    return {};
}

}  // namespace

std::span<const CommandSpec> command_table() {
    return kCommands;
}

std::string audited_text(const ConsoleStatement& statement) {
    const Command& command = statement.command;
    std::string text(statement.spec->word);
    for (size_t i = 1; i < command.words.size(); ++i)
        text += " " + command.words[i].text;
    if (statement.spec->argument == Argument::BackendTo && !command.value.empty())
        text += " '" + command.value + "'";
    if (statement.spec->argument == Argument::Option) {
        const Option* option = find_option(command.words[1].text);
        const bool is_text = option == nullptr || option->type == OptionType::String;
        text += is_text ? " = ..." : " = " + command.value;
    }
    return text;
}

// Long texts are cut.
Error not_a_command(std::string_view query, std::string why) {
    constexpr size_t kShownBytesMax = 200;
    std::string text(query);
    if (text.size() > kShownBytesMax) {
        size_t end = kShownBytesMax;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
            --end;
        text = text.substr(0, end) + "...";
    }
    Error error("08P01", "invalid command '" + text + "', use SHOW HELP;");
    error.detail = std::move(why);
    return error;
}

Result<std::vector<Command>> read_commands(std::string_view query) {
    Result<std::vector<Command>> commands = parse_commands(query);
    if (!commands) {
        const Error& error = commands.error();
        if (error.sqlstate != "08P01") return commands;
        return tl::unexpected<Error>(not_a_command(query, error.message));
    }
    if (commands->size() == 1) commands->front().text = query;
    return commands;
}

Result<ConsoleStatement> resolve(Command command, bool is_admin) {
    ConsoleStatement statement;
    statement.spec = find_command(command);
    if (statement.spec == nullptr) return unknown_command(command);
    if (statement.spec->argument == Argument::Topic) {
        statement.show = find_topic(command);
        if (statement.show == nullptr) return unknown_command(command);
    }
    statement.command = std::move(command);
    Status status = check_allowed(statement, is_admin);
    if (status) status = check_arguments(*statement.spec, statement.command);
    if (status && statement.show != nullptr)
        status = bind(statement.command.clauses, statement.show->topic, statement.columns());
    if (!status) return tl::unexpected<Error>(status.error());
    return statement;
}

}  // namespace weir
