// SHOW HELP: the command table and the registry of SHOW as a notice.
#include "admin/console/commands.h"
#include "admin/console/show_specs.h"

namespace weir {

namespace {

const char* usage(Argument argument) {
    switch (argument) {
        case Argument::OptionalDatabase: return " [database]";
        case Argument::Database: return " database";
        case Argument::Client: return " id";
        case Argument::Backend: return " backend";
        case Argument::BackendWeight: return " backend weight | DEFAULT";
        case Argument::BackendTo: return " backend ['host=... port=...'] TO database";
        case Argument::BackendFrom: return " backend [FROM database]";
        case Argument::Statement: return " [FOR database [USER user]] statement";
        case Argument::Format: return " format";
        case Argument::ShutdownMode: return " [WAIT_FOR_SERVERS | WAIT_FOR_CLIENTS]";
        case Argument::Option: return " option = value";
        default: return "";
    }
}

std::string topics() {
    constexpr size_t kColumnsMax = 72;
    std::string text;
    size_t line = 0;
    for (const ShowSpec* spec : show_table()) {
        const bool is_first = text.empty();
        if (is_first || line + spec->topic.size() > kColumnsMax) {
            text += "\n\tSHOW ";
            line = 0;
        } else {
            text += " | ";
        }
        text += spec->topic;
        line += spec->topic.size() + 3;
    }
    return text;
}

void show_help(const ShowInput&, CommandOutcome& outcome) {
    std::string text = topics();
    for (const CommandSpec& spec : command_table()) {
        const bool is_for_drivers = spec.access == Access::Everyone;
        if (is_for_drivers) continue;
        text += "\n\t" + std::string(spec.word);
        if (!spec.object.empty()) text += " " + std::string(spec.object);
        text += usage(spec.argument);
    }
    text +=
        "\n\tSHOW ... [LIKE 'pattern'] [WHERE condition] [ORDER BY column [ASC|DESC], ...]"
        " [LIMIT n [OFFSET n]]"
        "\n\tcondition: column = <> < <= > >= value, [NOT] LIKE ILIKE IN, IS [NOT] NULL,"
        " AND OR NOT ( )";
    outcome.notices.push_back({"Console usage", std::move(text)});
}

}  // namespace

constinit const ShowSpec kShowHelp = {.topic = "HELP", .fill = show_help};

}  // namespace weir
