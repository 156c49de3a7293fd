// The options of TLS as protocol/tls/ wants them, with the files read that they name.
// Thread: any; reads files, so not on a worker.
#pragma once

#include <optional>

#include "conf/config.h"
#include "conf/ini.h"
#include "protocol/tls/tls_settings.h"

namespace weir {

// Of client_tls_... when `side` accepts, of server_tls_... when it connects. Nothing when the
// sslmode is `disable`: whatever the other options say then does not matter.
// Errors: F0000 with the option and its file when that cannot be read.
Result<std::optional<TlsSettings>> tls_settings(TlsSide side, const GlobalConfig& global,
                                                const FileReader& reader);

}  // namespace weir
