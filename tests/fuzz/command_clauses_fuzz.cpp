// Goal: no text of a client makes the console's grammar, or the clauses of SHOW, do anything but
// give commands or an error; what is accepted can be bound and carried out. Method: the input is a
// query; its clauses are applied to a small table with every kind of cell.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "admin/console/command_parser.h"
#include "admin/console/outcome.h"

namespace {

constexpr weir::ResultColumn kColumns[] = {
    {"name"}, {"port", weir::ColumnType::Int4}, {"since", weir::ColumnType::Time}};

void expect(bool is_true) {
    if (!is_true) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view query(reinterpret_cast<const char*>(data), size);
    auto commands = weir::parse_commands(query);
    if (!commands) {
        expect(!commands.error().message.empty());
        return 0;
    }
    for (weir::Command& command : *commands) {
        if (!weir::bind(command.clauses, "FUZZ", kColumns)) continue;
        weir::CommandOutcome outcome;
        outcome.rows = {{"app", 5432, "2026-01-02 03:04:05 UTC"},
                        {"12.5", 0, weir::Cell()},
                        {weir::Cell(), weir::Cell(), ""},
                        {"\xC3\xBC\xff%_", -1, "x"}};
        weir::apply(command.clauses, kColumns, outcome);
        expect(outcome.rows.size() <= 4);
        if (command.clauses.limit) expect(outcome.rows.size() <= *command.clauses.limit);
        for (const weir::Cells& row : outcome.rows)
            expect(row.size() == 3);
    }
    return 0;
}
