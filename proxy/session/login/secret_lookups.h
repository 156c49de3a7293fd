// SecretLookups: auth_query. Asks a database for the secret of a user that auth_file does not have,
// on a connection of the pool of auth_user there, like any other that the pool lends.
//
// What a look-up must not trust is what clients have left on the connection, or have said at their
// start: nothing of a client's is ever applied to it, and one that has served a client is made
// fresh (DISCARD ALL, connect_query) before it is asked.
//
//   Waiting (in the pool's queue) -> [Discarding -> [Preparing]] -> Asking -> (answered)
//   Held: no backend can serve it, or its connection was lost; looked at again soon
//
// Logins of one user at the same time share one query, over all workers (auth/secret_flights.h);
// answers travel as LoginAnswer messages. A look-up that nobody waits for any more is given up.
// Owner: Worker. Thread: the worker's.
#pragma once

#include <string>

#include "conf/logging.h"
#include "protocol/base/slab.h"
#include "proxy/auth/secret_key.h"
#include "proxy/auth/secret_result.h"
#include "proxy/auth/secret_source.h"
#include "proxy/session/context.h"

namespace weir {

struct SecretLookup : Waiter, Deadline {
    enum class Phase : uint8_t { Free, Held, Waiting, Discarding, Preparing, Asking };

    uint32_t slot = 0;
    uint32_t generation = 0;
    Phase phase = Phase::Free;
    bool is_prologue_failed = false;
    int losses = 0;  // connections and backends that it was disappointed by
    SecretKey key;
    std::string query;
    PoolGroup* group = nullptr;
    Pool* pool = nullptr;
    ServerConnection* server = nullptr;
    SecretResult result;
    Instant since;
};

class SecretLookups final : public SecretSource {
  public:
    explicit SecretLookups(WorkerContext& context)
        : ctx_(context), random_(0x9e3779b97f4a7c15ULL * (context.id + 1U)) {}

    std::optional<Result<UserSecret>> look_up(const SecretRequest& request) override;

    // ---- what happens to look-ups ----

    void on_grant(const Grant& grant);
    void on_wait_failed(const Grant& grant, const Error& error);
    void on_deadline(SecretLookup& lookup);
    // A message of the connection that it has, of which ReadyForQuery comes by on_ready().
    void on_message(ServerConnection& server, BackendTag tag, ByteView body);
    void on_ready(ServerConnection& server);
    // The connection ends.
    void on_lost(ServerConnection& server, std::string_view reason);
    void close_all();
    // Another process goes on with most logins: what nobody here waits for is given up.
    void let_go();

  private:
    // Where to ask whom.
    struct Plan {
        DatabaseConfig target;
        std::string auth_user;
        std::string query;
    };
    Result<Plan> plan(const std::string& database, const DatabaseConfig* entry, bool is_console);
    void begin(const SecretKey& key, Plan plan);
    void begin_again(const SecretKey& key);
    void request(SecretLookup& lookup, const Pool* tried);
    Pool* choose(SecretLookup& lookup, const Pool* tried);
    void hold(SecretLookup& lookup, Duration time);
    void use(SecretLookup& lookup, ServerConnection& server);
    void send_simple(SecretLookup& lookup, std::string_view sql);
    void send_query(SecretLookup& lookup);
    void finish(SecretLookup& lookup);
    void answer(SecretLookup& lookup, const Result<UserSecret>& found);
    void tell(const LoginQuestion& question, const Result<UserSecret>& found);
    void release(SecretLookup& lookup);
    void give_up(SecretLookup& lookup);
    void note(const std::string& text);

    static constexpr int kLossesMax = 2;
    static constexpr Duration kLookAgain = std::chrono::milliseconds(100);
    static constexpr Duration kStillWanted = std::chrono::seconds(1);
    static constexpr uint32_t kLinesPerSecond = 20;

    WorkerContext& ctx_;
    Prng random_;
    Slab<SecretLookup> slab_;
    RateLimit lines_{kLinesPerSecond};
};

}  // namespace weir
