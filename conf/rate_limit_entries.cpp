#include "conf/rate_limit_entries.h"

#include "conf/entry_keys.h"
#include "conf/limits.h"
#include "conf/words.h"

namespace weir {

namespace {

using L = RateLimitConfig;

// A list of words as numbers, ascending, each once.
template <typename Enum, const auto& kWords>
Result<std::vector<Enum>> parse_words(std::string_view value) {
    std::vector<Enum> found;
    for (const std::string& item : split_list(value)) {
        const Result<int> word = parse_word(item, kWords);
        if (!word) return tl::unexpected<Error>(word.error());
        found.push_back(static_cast<Enum>(*word));
    }
    if (found.empty()) return fail("22023", "is an empty list; give at least one, or remove it");
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

template <auto Field, typename Enum, const auto& kWords>
Status set_words(L& entry, std::string_view value) {
    auto words = parse_words<Enum, kWords>(value);
    if (!words) return tl::unexpected<Error>(words.error());
    entry.*Field = std::move(*words);
    return {};
}

template <auto Field, typename List>
Status set_match_list(L& entry, std::string_view value) {
    Result<List> list = List::parse(value);
    if (!list) return tl::unexpected<Error>(list.error());
    entry.*Field = std::move(*list);
    return {};
}

Duration unit_of(std::string_view word) {
    if (word == "s") return std::chrono::seconds(1);
    if (word == "min") return std::chrono::minutes(1);
    if (word == "h") return std::chrono::hours(1);
    return Duration(0);
}

// 100, 100/s, 6000/min, 10/h.
Status set_rate(L& entry, std::string_view value) {
    const size_t slash = value.find('/');
    const std::string_view unit = slash == std::string_view::npos ? "s" : value.substr(slash + 1);
    const std::string_view events = value.substr(0, slash);
    const Duration per = unit_of(unit);
    if (per.count() == 0) {
        return fail("22023", "no such unit of time; write s, min or h, as in 100/s or 6000/min");
    }
    const Result<int64_t> number = parse_integer(events, 10, 0, kRateEventsMax);
    if (!number) return fail("22023", number.error().message + ", as in 100/s or 6000/min");
    if (*number == 0) {
        return fail("22023", "lets nothing through at all; give 1 or more, or remove the rate");
    }
    entry.rate_events = static_cast<uint64_t>(*number);
    entry.rate_per = per;
    return {};
}

template <auto Field, int64_t kMax>
Status set_limit(L& entry, std::string_view value) {
    const Result<int64_t> number = parse_integer(value, 10, 0, kMax);
    if (!number) return fail("22023", number.error().message);
    if (*number == 0) {
        return fail("22023", "lets nothing through at all; give 1 or more, or remove the line");
    }
    entry.*Field = static_cast<std::remove_reference_t<decltype(entry.*Field)>>(*number);
    return {};
}

Status set_max_delay(L& entry, std::string_view value) {
    const Result<Duration> delay = parse_seconds(value);
    if (!delay) return fail("22023", delay.error().message);
    if (delay->count() <= 0 || *delay > kRateDelayMax) {
        return fail("22023", fmt::format("give a time above 0 and up to {} s; for no delay at all "
                                         "write action = reject",
                                         seconds_text(kRateDelayMax)));
    }
    entry.max_delay = *delay;
    return {};
}

constexpr EntryKey<L> kRateLimitKeys[] = {
    {"at", set_word<&L::at, RatePoint, kRatePointWords, L>,
     "Where it is asked: `accept` (a new connection, closed before any byte), `login` (after the "
     "start-up packet, FATAL 53300) or `transaction` (when it asks for a server, ERROR 53400; "
     "never inside a transaction, COPY or pipeline); required."},
    {"key", set_words<&L::key, RateKeyPart, kRateKeyPartWords>,
     "What has a limit of its own each, a list: `address`, `user`, `database`, `application_name`, "
     "`query_class`; without it all share one. At `accept` only the address is known, at `login` "
     "all but the query class."},
    {"address_prefix4", set_number<&L::address_prefix4, 0, 32, L>,
     "Bits of an IPv4 address that make a key, 0 to 32; 32 unless given."},
    {"address_prefix6", set_number<&L::address_prefix6, 0, 128, L>,
     "Bits of an IPv6 address that make a key, 0 to 128; 64 unless given."},
    {"address", set_match_list<&L::addresses, AddressMatchList>,
     "Whom it concerns: addresses and networks, `unix` for the Unix socket, `!` in front takes "
     "out; everybody unless given."},
    {"database", set_match_list<&L::databases, NameMatchList>,
     "Whom it concerns: databases as clients call them; `report_*` is all that begin so, `!` in "
     "front takes out."},
    {"user", set_match_list<&L::users, NameMatchList>,
     "Whom it concerns: users who log in, written as databases are."},
    {"application_name", set_match_list<&L::application_names, NameMatchList>,
     "Whom it concerns: application names as given at login, written as databases are."},
    {"query_class", set_words<&L::query_classes, QueryClass, kQueryClassWords>,
     "Whom it concerns: transactions that begin with one of `read`, `write`, `ddl`, `copy`, "
     "`utility`, as far as the first keyword tells."},
    {"rate", set_rate,
     "Connections, logins or transactions of one key: `100/s`, `6000/min`, `10/h`; a plain number "
     "is per second."},
    {"burst", set_limit<&L::burst, std::numeric_limits<int32_t>::max()>,
     "How many may come at once; what the rate allows in a second, at least 1, unless given."},
    {"concurrency", set_limit<&L::concurrency, kRateConcurrencyMax>,
     "Transactions of one key that may have a server, or wait for one, at a time; for "
     "`transaction` only."},
    {"bytes_per_second", set_limit<&L::bytes_per_second, kRateBytesMax>,
     "Bytes that the clients of one key send and are sent, charged at the end of each transaction; "
     "the next begins when they are paid for. A second's worth may come at once; for `transaction` "
     "only."},
    {"action", set_word<&L::action, RateAction, kRateActionWords, L>,
     "Beyond the limit: `delay` waits up to max_delay and then rejects, `reject`, or `log`, which "
     "only counts and logs. Unless given `delay`, which `transaction` only has, else `reject`."},
    {"max_delay", set_max_delay,
     "The longest that `delay` holds a transaction back; 0.5 unless given."},
    {"keys_max", set_number<&L::keys_max, 1, kRateKeysMax, L>,
     "Keys that are remembered at a time, some 120 bytes each; 10000 unless given. One too many "
     "makes the table forget the one longest unused, which is counted."},
};

// As of backends: names stand on the console, in errors and in metrics.
void check_rate_limit_name(ParsedEntry<L>& parsed) {
    constexpr std::string_view kAllowed =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    const std::string& name = parsed.entry.name;
    if (name.empty()) {
        parsed.problems.emplace_back(
            "the name of the rate limit is empty; give one, as in [rate_limit:per_user]");
    } else if (name.size() > kRateLimitNameBytesMax) {
        parsed.problems.push_back(fmt::format("the name \"{}\" is too long; at most {} bytes",
                                              name.substr(0, kRateLimitNameBytesMax),
                                              kRateLimitNameBytesMax));
    } else if (name.find_first_not_of(kAllowed) != std::string::npos) {
        parsed.problems.push_back(fmt::format(
            "the name \"{}\" is not one of a rate limit; use letters, digits and _ . - only",
            name));
    }
}

}  // namespace

std::string title(const RateLimitConfig& limit) {
    return fmt::format("rate limit \"{}\"", limit.name);
}

ParsedEntry<RateLimitConfig> begin_rate_limit(std::string_view name) {
    ParsedEntry<RateLimitConfig> parsed;
    parsed.entry.name = name;
    check_rate_limit_name(parsed);
    return parsed;
}

void set_rate_limit(ParsedEntry<RateLimitConfig>& limit, std::string_view key,
                    std::string_view value) {
    read_setting<RateLimitConfig>(kRateLimitKeys, key, value, title(limit.entry), limit);
}

std::vector<EntryKeyInfo> rate_limit_keys() {
    return infos<RateLimitConfig>(kRateLimitKeys);
}

}  // namespace weir
