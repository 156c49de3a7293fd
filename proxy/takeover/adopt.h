// Adopting: what another process has collected becomes ours: sessions are dealt to the workers,
// servers enter their pools' ledgers, cancel requests go on. Limits do not stop anybody who is
// there already. Entries that the new configuration no longer has are made for those who use them,
// and marked removed: KillDatabase is to follow once the workers run.
//
// Thread: one, before the workers run, or while they are parked. After it each worker is to get the
// message Adopted, which sets going what can go on.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "proxy/session/context.h"
#include "proxy/takeover/state.h"

namespace weir {

struct Adoption {
    size_t sessions = 0;
    size_t servers = 0;
    std::vector<std::string> removed;   // databases that are no longer configured
    std::vector<std::string> recycled;  // whose servers lead elsewhere now
};

// Descriptors become the workers'. Error when the records contradict themselves: then the process
// is to end; nothing has been read from or written to any of them.
Result<Adoption> adopt(const HandedWorld& world, std::span<WorkerContext* const> workers,
                       Shared& shared, const Config& config, Instant now);

}  // namespace weir
