// CommandOutcome: what running a command came to, before it is known by which protocol it is told.
// Thread: any (values).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/console/result_table.h"
#include "protocol/base/result.h"
#include "proxy/net/descriptor.h"

namespace weir {

class Inspector;
struct PendingCommand;

struct ConsoleNotice {
    std::string message;
    std::string detail;
};

struct CommandOutcome {
    enum class Kind : uint8_t {
        Done,
        Failed,
        Pending,   // see PendingCommand
        Ending,    // the process ends: there is nobody left to answer
        HandOver,  // the connection is no console's any more, unless that fails
    };
    Kind kind = Kind::Done;
    std::string tag;  // of CommandComplete
    std::vector<Cells> rows;
    // Of SHOW FDS: one for each row, passed along with it by the simple protocol.
    std::vector<std::shared_ptr<const Descriptor>> descriptors;
    std::vector<ConsoleNotice> notices;
    std::optional<Error> error;  // Failed
    std::shared_ptr<const PendingCommand> pending;
    std::string detail;  // of the error
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
    static CommandOutcome waiting(std::shared_ptr<const PendingCommand> pending) {
        CommandOutcome outcome;
        outcome.kind = Kind::Pending;
        outcome.pending = std::move(pending);
        return outcome;
    }
    // Done with `tag`, or failed with the status' error.
    static CommandOutcome of(const Status& status, std::string_view tag) {
        return status ? done(tag) : failed(status.error());
    }
};

// A command that is answered when something has come about (PAUSE, WAIT_CLOSE, SUSPEND). It is
// asked at once and then at every tick.
struct PendingCommand {
    // What it came to; nothing: ask again.
    std::function<std::optional<CommandOutcome>(Inspector&)> settle;
    // Its client cancels: takes back what it has begun.
    std::function<void(Inspector&)> undo = nullptr;
    // Told once if it takes long: what it waits for.
    std::function<ConsoleNotice(Inspector&)> explain = nullptr;
};

}  // namespace weir
