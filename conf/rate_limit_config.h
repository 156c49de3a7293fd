// RateLimitConfig: one [rate_limit:NAME] as the operator describes it: where it is asked, whom it
// concerns, what counts as one and the same (the key), how much a key may have, and what happens
// beyond that. proxy/limits/ carries it out. Thread: any (a value).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "conf/match_list.h"
#include "protocol/base/clock.h"

namespace weir {

// Where a limit is asked: before the first byte of a connection, after the start-up packet, or when
// a transaction asks for a server.
enum class RatePoint : uint8_t { Accept, Login, Transaction };

// What a key is made of.
enum class RateKeyPart : uint8_t { Address, User, Database, ApplicationName, QueryClass };
constexpr size_t kRateKeyParts = 5;

// What a transaction's first statement is about, as far as its first keyword tells.
enum class QueryClass : uint8_t { Read, Write, Ddl, Copy, Utility };
constexpr size_t kQueryClasses = 5;

// Beyond the limit: wait, up to max_delay, then as Reject; an error; or only counted and logged.
enum class RateAction : uint8_t { Delay, Reject, Log };

const char* to_string(RatePoint point);
const char* to_string(RateKeyPart part);
const char* to_string(QueryClass query_class);
const char* to_string(RateAction action);

struct RateLimitConfig {
    std::string name;
    std::optional<RatePoint> at;   // always there once loaded
    std::vector<RateKeyPart> key;  // in the order of the enumeration; empty = all are one
    int address_prefix4 = 32;      // bits of an IPv4 address that make a key
    int address_prefix6 = 64;      // bits of an IPv6 address
    AddressMatchList addresses;    // whom it concerns; empty = everybody
    NameMatchList databases;       // as the client calls them
    NameMatchList users;           // who log in
    NameMatchList application_names;
    std::vector<QueryClass> query_classes;  // sorted
    uint64_t rate_events = 0;               // so many ...
    Duration rate_per{0};                   // ... in this time; 0 = no such limit
    int burst = 0;                          // at once; 0 = what the rate allows in a second
    int concurrency = 0;                    // transactions of one key at a time; 0 = no such limit
    int64_t bytes_per_second = 0;           // both ways, averaged over a second; 0 = no such limit
    std::optional<RateAction> action;       // unset = delay at transaction, else reject
    Duration max_delay = std::chrono::milliseconds(500);
    int keys_max = 10'000;  // keys that are remembered at a time

    bool operator==(const RateLimitConfig&) const = default;
};

[[nodiscard]] inline RateAction effective_action(const RateLimitConfig& limit) {
    const bool can_delay = limit.at == RatePoint::Transaction;
    return limit.action.value_or(can_delay ? RateAction::Delay : RateAction::Reject);
}
// What may come at once, at least 1.
[[nodiscard]] int effective_burst(const RateLimitConfig& limit);
// "100/s", "6000/min"; empty without a rate.
[[nodiscard]] std::string rate_text(const RateLimitConfig& limit);
// "address, user"; empty without a key.
[[nodiscard]] std::string key_text(const RateLimitConfig& limit);

// Do both ask the same, of the same, by the same keys?
[[nodiscard]] bool counts_alike(const RateLimitConfig& a, const RateLimitConfig& b);
// Is what was counted for `from` good for `to`, whatever else has changed?
[[nodiscard]] bool keeps_counts(const RateLimitConfig& from, const RateLimitConfig& to);

}  // namespace weir
