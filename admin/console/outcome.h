// CommandOutcome: what running a command came to, before it is known by which protocol it is told.
// Thread: any (values).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/console/result_table.h"
#include "protocol/base/result.h"

namespace weir {

struct ConsoleNotice {
    std::string message;
    std::string detail;
};

struct CommandOutcome {
    enum class Kind : uint8_t {
        Done,
        Failed,
        UntilQuiet,  // done when nothing is running any more (PAUSE)
        Ending,      // the process ends: there is nobody left to answer
    };
    Kind kind = Kind::Done;
    std::string tag;  // of CommandComplete
    std::vector<Cells> rows;
    std::vector<ConsoleNotice> notices;
    std::optional<Error> error;  // Failed
    std::string detail;          // of the error
    // BEGIN (true) and COMMIT, ROLLBACK (false): portals live until the end of a transaction.
    std::optional<bool> is_in_transaction;
    // A prepared statement that is forgotten; "" = all of them.
    std::optional<std::string> deallocated;

    static CommandOutcome done(std::string_view tag) {
        CommandOutcome outcome;
        outcome.tag = tag;
        return outcome;
    }
    static CommandOutcome failed(Error error, std::string detail = {}) {
        CommandOutcome outcome;
        outcome.kind = Kind::Failed;
        outcome.error = std::move(error);
        outcome.detail = std::move(detail);
        return outcome;
    }
    // Done with `tag`, or failed with the status' error.
    static CommandOutcome of(const Status& status, std::string_view tag) {
        return status ? done(tag) : failed(status.error());
    }
};

}  // namespace weir
