#include "proxy/net/tls_contexts.h"

#include "conf/ini.h"
#include "conf/tls_options.h"

namespace weir {

namespace {

// Of one side; the one there is, if it would come out the same.
Result<TlsContextPtr> make_one(TlsSide side, const GlobalConfig& global,
                               const TlsContextPtr& before) {
    const auto failed = [](const Error& error) {
        return fail(error.sqlstate, "TLS setup failed: " + error.message);
    };
    const auto settings = tls_settings(side, global, read_file);
    if (!settings) return failed(settings.error());
    if (!settings->has_value()) return TlsContextPtr();
    if (before != nullptr && before->made_of() == fingerprint(**settings)) return before;
    Result<TlsContextPtr> made = TlsContext::make(**settings);
    if (!made) return failed(made.error());
    return made;
}

}  // namespace

Result<TlsContextsPtr> make_tls_contexts(const GlobalConfig& global, const TlsContexts& before) {
    auto made = std::make_shared<TlsContexts>();
    Result<TlsContextPtr> client = make_one(TlsSide::Accept, global, before.client);
    if (!client) return tl::unexpected<Error>(client.error());
    Result<TlsContextPtr> server = make_one(TlsSide::Connect, global, before.server);
    if (!server) return tl::unexpected<Error>(server.error());
    made->client = std::move(*client);
    made->server = std::move(*server);
    return TlsContextsPtr(std::move(made));
}

bool needs_new_servers(const GlobalConfig& from, const TlsContexts& made_by, const GlobalConfig& to,
                       const TlsContexts& wanted) {
    return made_by.server != wanted.server || from.server_tls_sslmode != to.server_tls_sslmode;
}

}  // namespace weir
