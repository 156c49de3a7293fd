// Every limit that reading the configuration obeys, in one place. The name lengths are PgBouncer's;
// the others keep a mistaken file (a device, a log, an include of itself) from filling memory.
// Thread: any (constants).
#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/base/clock.h"

namespace weir {

constexpr size_t kDatabaseNameBytesMax = 63;
constexpr size_t kUserNameBytesMax = 127;
constexpr size_t kBackendNameBytesMax = 63;
constexpr size_t kZoneNameBytesMax = 63;
constexpr size_t kPatroniUrlBytesMax = 300;
constexpr size_t kLdapOptionsBytesMax = 8192;
constexpr int kBackendWeightMax = 10'000;
constexpr size_t kRateLimitNameBytesMax = 63;
constexpr size_t kRateLimitsMax = 64;    // each new session looks at all of them
constexpr int kRateKeysMax = 1'000'000;  // of one rate limit
constexpr int64_t kRateEventsMax = 1'000'000'000;
constexpr int64_t kRateConcurrencyMax = 1'000'000;
constexpr int64_t kRateBytesMax = 9'000'000'000;  // a second; times 10^9 it must fit 63 bits
constexpr Duration kRateDelayMax = std::chrono::seconds(60);
constexpr int kBackendsMax = 64;    // of one database: each choice looks at all of them
constexpr size_t kHostsMax = 1000;  // of one database; each is compared with all others
constexpr size_t kPasswordBytesMax = 65530;
constexpr int kPeerIdMax = 16383;

constexpr int kIncludeDepthMax = 10;  // nested %include
constexpr int kIncludesMax = 1000;    // %include lines followed in one load
constexpr size_t kAuthTokensMax =
    1'000'000;  // of auth_hba_file, with all it includes; likewise auth_ident_file
constexpr size_t kAuthRulesMax = 10'000;  // in each of them; a login may have to look at all
constexpr size_t kRegexBytesMax = 1000;
constexpr int64_t kRegexMemoryBytesMax = 1 << 20;  // of one, compiled
constexpr size_t kConfigFileBytesMax = 64u << 20;
constexpr size_t kConfigErrorsMax = 200;  // collected per load; the rest is only counted
constexpr int64_t kTimeoutSecondsMax = 1'000'000'000;

constexpr size_t kLogLineBytesMax = 16u << 10;  // a longer line is cut
constexpr size_t kLogQueueLines = 16u << 10;    // when full, further lines are lost, and counted
constexpr size_t kLogQueueBytes = 8u << 20;     // the same

}  // namespace weir
