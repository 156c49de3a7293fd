// AuthFailures: who has given wrong passwords lately, by address (an IPv4 address, or the /64 of an
// IPv6 one) and user name. Whether such a user exists plays no part. Clients of the Unix socket
// have no address, so they share one count for each name.
//
// A window begins with the first failure. Once it holds as many as are allowed, nobody with that
// key may try again until it is over, whatever the password; a good login before that forgets it
// all. What is tried meanwhile does not make it longer.
//
// Bounded: sets of eight, chosen by a hash under a secret. A new key takes a cell whose window is
// over, else the one with the fewest failures, so that noise does not wash out a key that is under
// attack; that is counted as an overflow. Cells are allocated by the first failure that counts: who
// leaves the option off pays nothing.
//
// Pure but for its own memory: the time is passed in. Owner: Shared. Lock: one leaf mutex for each
// shard, at logins only. Thread: any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/logging.h"
#include "conf/match_list.h"
#include "protocol/base/clock.h"
#include "protocol/base/siphash.h"

namespace weir {

// auth_failures_max and auth_failures_window.
struct AuthFailureLimit {
    int failures_max = 0;  // 0 = no limit
    Duration window{0};

    // "5 failures in 60 s"
    [[nodiscard]] std::string text() const;
};

class AuthFailures {
  public:
    static constexpr size_t kKeysMax = 8192;
    static constexpr size_t kWays = 8;

    AuthFailures();

    // "address=10.0.0.1 user=app"
    [[nodiscard]] static std::string key_of(const AddressBytes& address, std::string_view user);

    // How long until `key` may try again; nothing when it may now.
    [[nodiscard]] std::optional<Duration> suspended(std::string_view key, Instant now,
                                                    const AuthFailureLimit& limit);
    // A wrong password, after suspended() gave nothing.
    void failed(std::string_view key, Instant now, const AuthFailureLimit& limit);
    // A right one.
    void forget(std::string_view key);
    // A try that was refused because of suspended(); also logs, at most once a second.
    void note_refused(std::string_view key, Instant now, const AuthFailureLimit& limit);
    void note_delayed() { delayed_.fetch_add(1, std::memory_order_relaxed); }

    struct Totals {
        uint64_t failed = 0;   // wrong passwords
        uint64_t delayed = 0;  // of them, those whose answer was held back
        uint64_t refused = 0;  // tries of those who had to wait for the window to end
        uint64_t overflows = 0;
        size_t keys = 0;  // in the table, over or not
    };
    [[nodiscard]] Totals totals();  // slow: looks at every cell

  private:
    static constexpr size_t kShards = 16;
    static constexpr size_t kSets = kKeysMax / kWays / kShards;

    struct Cell {
        uint64_t key = 0;
        Instant since;      // of the first failure; never = empty
        Duration lasts{0};  // as the limit was
        int failures = 0;

        [[nodiscard]] bool is_over(Instant now) const {
            return since.is_never() || now >= since + lasts;
        }
    };
    struct alignas(64) Shard {
        std::mutex mutex;
        std::vector<Cell> cells;  // kSets * kWays, or none yet
    };

    [[nodiscard]] uint64_t hash_of(std::string_view key) const {
        return siphash(secret_, as_bytes(key));
    }
    Shard& shard_of(uint64_t hash) { return shards_[hash % kShards]; }
    static size_t first_of(uint64_t hash) { return (hash >> 32) % kSets * kWays; }
    static Cell* find(Shard& shard, uint64_t hash);
    Cell& find_or_replace(Shard& shard, uint64_t hash, Instant now);

    SipKey secret_{};
    std::array<Shard, kShards> shards_;
    RateLimit log_limit_{1};
    std::atomic<uint64_t> failed_{0};
    std::atomic<uint64_t> delayed_{0};
    std::atomic<uint64_t> refused_{0};
    std::atomic<uint64_t> overflows_{0};
};

}  // namespace weir
