// One line of auth_hba_file to one rule: TYPE DATABASE USER [ADDRESS [MASK]] METHOD [OPTIONS].
// For hba.h only. Thread: any (pure function).
#pragma once

#include "conf/hba.h"
#include "protocol/base/result.h"

namespace weir {

// Error: what is wrong with the line and what to do about it, without its place.
Result<HbaRule> read_hba_rule(const AuthLine& line);

}  // namespace weir
