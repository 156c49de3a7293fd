// TlsSessions: sessions that servers gave us, for the next connection to the same one: it then
// saves the public key operations. PostgreSQL itself resumes none (its source, be-secure-openssl:
// tickets are off); poolers and TLS proxies in front of it may. A session is used once; a server
// that does not take one up is not offered any more. Forgotten as a whole when contexts change.
// Thread: any (its mutex guards all of it; at a login, never on the path of a query).
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "protocol/tls/tls_stream.h"

namespace weir {

class TlsSessions {
  public:
    // Null: there is none.
    SslSessionPtr take(const std::string& server) {
        const std::lock_guard lock(mutex_);
        const auto found = servers_.find(server);
        if (found == servers_.end() || found->second.sessions.empty()) return nullptr;
        SslSessionPtr out = std::move(found->second.sessions.back());
        found->second.sessions.pop_back();
        return out;
    }

    // After a login over `stream`, which was offered a session or was not.
    void note(const std::string& server, TlsStream& stream, bool was_offered) {
        SslSessionPtr session = stream.take_session();
        const std::lock_guard lock(mutex_);
        if (servers_.size() >= kServersMax && !servers_.contains(server)) servers_.clear();
        Known& known = servers_[server];
        if (was_offered && !stream.was_resumed()) known.is_refusing = true;
        if (known.is_refusing) {
            known.sessions.clear();
        } else if (session != nullptr && known.sessions.size() < kSessionsMax) {
            known.sessions.push_back(std::move(session));
        }
    }

    void forget() {
        const std::lock_guard lock(mutex_);
        servers_.clear();
    }

  private:
    static constexpr size_t kSessionsMax = 16;  // of one server
    static constexpr size_t kServersMax = 1000;

    struct Known {
        std::vector<SslSessionPtr> sessions;
        bool is_refusing = false;
    };

    std::mutex mutex_;
    std::map<std::string, Known> servers_;
};

}  // namespace weir
