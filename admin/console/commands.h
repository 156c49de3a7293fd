// The commands: one table says who may run each, what follows its word, and what it does. A
// ConsoleStatement is a command found in the table that this client may run; resolve() is the only
// way to one, so nothing runs that the table does not allow.
//
// Thread: the table is constant; run functions run on the control thread.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "admin/console/command_parser.h"
#include "admin/console/outcome.h"
#include "admin/console/show.h"
#include "proxy/inspector.h"

namespace weir {

struct ConsoleStatement;

// What follows the command's word.
enum class Argument : uint8_t {
    None,
    OptionalDatabase,
    Database,
    Client,
    Backend,
    BackendWeight,  // backend, and a number or DEFAULT
    BackendTo,      // backend ['settings'] TO database
    BackendFrom,    // backend [FROM database]
    Statement,      // [FOR database [USER user]], and a statement of SQL to the end of the query
    ShutdownMode,
    Format,   // of a hand-over, a number
    Topic,    // of SHOW
    Option,   // name = value, an option of this program
    Setting,  // name = value, a setting that only PostgreSQL has
    Any,
};

struct CommandSpec {
    std::string_view word;
    Access access = Access::Admin;
    Argument argument = Argument::None;
    // One of these two. SHOW is run by run_show().
    CommandOutcome (*run)(Inspector& inspector, const ConsoleStatement& statement) = nullptr;
    // Done, with the word as its tag, when it calls back.
    void (*start)(Inspector& inspector, const ConsoleStatement& statement,
                  std::function<void(Status)> done) = nullptr;
    // Second word, before the arguments. Where PgBouncer's command of the same first word takes one
    // argument, it keeps what has two words: `DISABLE backend` is about a database of that name.
    std::string_view object = {};
    std::span<const ResultColumn> columns = {};  // of its rows, if it gives any
};

std::span<const CommandSpec> command_table();

struct ConsoleStatement {
    Command command;
    const CommandSpec* spec = nullptr;  // null: an empty query
    const ShowSpec* show = nullptr;     // of SHOW

    [[nodiscard]] bool is_empty() const { return spec == nullptr; }
    [[nodiscard]] bool has_rows() const { return !columns().empty(); }
    [[nodiscard]] std::span<const ResultColumn> columns() const {
        if (show != nullptr) return show->columns;
        return spec == nullptr ? std::span<const ResultColumn>() : spec->columns;
    }
    // The database it names, or whatever its second word is.
    [[nodiscard]] std::optional<std::string> database() const {
        if (command.words.size() < 2) return std::nullopt;
        return command.words[1].text;
    }
    // The backend it names; of commands with such an argument.
    [[nodiscard]] const std::string& backend() const {
        return command.words[spec->object.empty() ? 1 : 2].text;
    }
};

// The command as the audit trail has it: all its words. The value of SET only where the option is
// no text, which may be a password.
std::string audited_text(const ConsoleStatement& statement);
// PgBouncer's words for what it does not take, which scripts look for; `why` becomes the detail.
Error not_a_command(std::string_view query, std::string why = {});
// The commands of a query, see parse_commands(); an error quotes it and tells the place in its
// detail.
Result<std::vector<Command>> read_commands(std::string_view query);
// Errors: there is no such command, this client may not run it, its arguments are wrong.
Result<ConsoleStatement> resolve(Command command, bool is_admin);

}  // namespace weir
