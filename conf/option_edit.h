// SET: a running configuration with another value of one option, as a RELOAD of files that have
// that value would make it. The next RELOAD puts back what the files say. Thread: any; reads
// auth_file, auth_hba_file and auth_ident_file when the option is about them, so not on a worker.
#pragma once

#include <string>

#include "conf/config.h"
#include "protocol/base/result.h"

namespace weir {

// Errors: there is no such option, the value is none of its values, it contradicts another option,
// a file that it names cannot be read. An option that needs a restart is left as it is.
Result<ConfigPtr> with_option(const Config& config, const std::string& name,
                              const std::string& value);

}  // namespace weir
