// TlsContexts: those of the configuration in force, one for each side. Made by the control thread,
// replaced as a whole; a worker takes a reference with each configuration.
#pragma once

#include <memory>
#include <mutex>

#include "conf/config.h"
#include "protocol/tls/tls_context.h"

namespace weir {

struct TlsContexts {
    TlsContextPtr client;  // towards clients; null: they are told that there is no TLS
    TlsContextPtr server;  // towards servers; null: they are not asked for it
};
using TlsContextsPtr = std::shared_ptr<const TlsContexts>;

// Reads the files and makes what differs from `before` anew, down to the contents of the files.
// Errors: F0000 "TLS setup failed: ..." with the option, its file and the reason. Blocks: not on a
// worker.
Result<TlsContextsPtr> make_tls_contexts(const GlobalConfig& global, const TlsContexts& before);

// Would server connections made under one be other than wanted under the other?
bool needs_new_servers(const GlobalConfig& from, const TlsContexts& made_by, const GlobalConfig& to,
                       const TlsContexts& wanted);

// Where workers find them. Thread: any (its mutex guards the pointer).
class TlsContextsHolder {
  public:
    [[nodiscard]] TlsContextsPtr get() const {
        const std::lock_guard lock(mutex_);
        return contexts_;
    }
    void set(TlsContextsPtr contexts) {
        const std::lock_guard lock(mutex_);
        contexts_ = std::move(contexts);
    }

  private:
    mutable std::mutex mutex_;
    TlsContextsPtr contexts_ = std::make_shared<const TlsContexts>();
};

}  // namespace weir
