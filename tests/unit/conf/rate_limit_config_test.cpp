// Goal: [rate_limit:NAME] sections become limits, or the reasons why not, with a remedy.
// Method: in-memory files through load_config_with.
#include "conf/rate_limit_config.h"

#include <doctest/doctest.h>

#include "conf/diff.h"
#include "conf/limits.h"
#include "conf/loader.h"

namespace weir::rate_limit_config_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Lines = std::vector<std::string>;

LoadResult load(const std::string& text) {
    const std::string all = "[pgbouncer]\nauth_file = users\n[databases]\nd = host=h\n" + text;
    return load_config_with("w.ini", nullptr,
                            [&all](const std::string& path) -> Result<std::string> {
                                return path == "w.ini" ? all : std::string("\"u\" \"p\"\n");
                            });
}

ConfigPtr good(const std::string& text) {
    const LoadResult result = load(text);
    for (const ConfigError& error : result.errors) {
        MESSAGE(to_string(error));
    }
    REQUIRE(result.config);
    return result.config;
}

// Without the four lines that load() puts in front.
Lines bad(const std::string& text) {
    const LoadResult result = load(text);
    CHECK_FALSE(result.config);
    Lines texts;
    for (const ConfigError& error : result.errors) {
        texts.push_back(std::to_string(error.line - 4) + ": " + error.message);
    }
    return texts;
}

RateLimitConfig limit(const std::string& lines) {
    return good("[rate_limit:x]\n" + lines)->rate_limits.at("x");
}

TEST_CASE("a limit has defaults, and every key is read") {
    const RateLimitConfig plain = limit("at = transaction\nrate = 100\n");
    CHECK(plain.at == RatePoint::Transaction);
    CHECK(plain.key.empty());
    CHECK(plain.address_prefix4 == 32);
    CHECK(plain.address_prefix6 == 64);
    CHECK(effective_action(plain) == RateAction::Delay);
    CHECK(plain.max_delay == milliseconds(500));
    CHECK(effective_burst(plain) == 100);

    const RateLimitConfig full = limit(
        "at = TRANSACTION\nkey = query_class, user, address, user\naddress_prefix4 = 24\n"
        "address_prefix6 = 56\naddress = 10.0.0.0/8\ndatabase = d*, !d2\nuser = !admin\n"
        "application_name = web\nquery_class = write, read\nrate = 6000/min\nburst = 7\n"
        "concurrency = 3\nbytes_per_second = 1000000\naction = log\nmax_delay = 0.25\n"
        "keys_max = 50\n");
    CHECK(full.key == std::vector<RateKeyPart>{RateKeyPart::Address, RateKeyPart::User,
                                               RateKeyPart::QueryClass});
    CHECK(key_text(full) == "address, user, query_class");
    CHECK(full.address_prefix4 == 24);
    CHECK(full.address_prefix6 == 56);
    CHECK(full.databases.matches("d1"));
    CHECK_FALSE(full.databases.matches("d2"));
    CHECK_FALSE(full.users.matches("admin"));
    CHECK_FALSE(full.application_names.matches("psql"));
    CHECK(full.query_classes == std::vector<QueryClass>{QueryClass::Read, QueryClass::Write});
    CHECK(full.rate_events == 6000);
    CHECK(full.rate_per == std::chrono::minutes(1));
    CHECK(rate_text(full) == "6000/min");
    CHECK(effective_burst(full) == 7);
    CHECK(full.concurrency == 3);
    CHECK(full.bytes_per_second == 1'000'000);
    CHECK(effective_action(full) == RateAction::Log);
    CHECK(full.max_delay == milliseconds(250));
    CHECK(full.keys_max == 50);
}

TEST_CASE("rates are per second, minute or hour, and so is what may come at once") {
    CHECK(rate_text(limit("at = login\nrate = 5\n")) == "5/s");
    CHECK(rate_text(limit("at = login\nrate = 5/h\n")) == "5/h");
    CHECK(effective_burst(limit("at = login\nrate = 5/h\n")) == 1);
    CHECK(effective_burst(limit("at = login\nrate = 6000/min\n")) == 100);
    CHECK(effective_action(limit("at = accept\nrate = 5\n")) == RateAction::Reject);
    CHECK(rate_text(limit("at = transaction\nconcurrency = 5\n")).empty());
}

TEST_CASE("bad values are refused where they stand") {
    const std::string head = "[rate_limit:x]\nat = transaction\nrate = 1\n";
    const auto one = [&](const std::string& line) {
        const Lines lines = bad(head + line + "\n");
        return lines.size() == 1 ? lines[0] : std::to_string(lines.size()) + " errors";
    };
    CHECK(one("rate = 0") ==
          "4: rate limit \"x\": invalid rate \"0\": lets nothing through at all; give 1 or more, "
          "or remove the rate");
    CHECK(one("rate = 10/d") ==
          "4: rate limit \"x\": invalid rate \"10/d\": no such unit of time; write s, min or h, as "
          "in 100/s or 6000/min");
    CHECK(one("rate = 1.5/s") ==
          "4: rate limit \"x\": invalid rate \"1.5/s\": not a whole number; give a whole number "
          "from 0 to 1000000000, as in 100/s or 6000/min");
    CHECK(one("concurrency = 0") ==
          "4: rate limit \"x\": invalid concurrency \"0\": lets nothing through at all; give 1 or "
          "more, or remove the line");
    CHECK(one("max_delay = 0") ==
          "4: rate limit \"x\": invalid max_delay \"0\": give a time above 0 and up to 60 s; for "
          "no delay at all write action = reject");
    CHECK(one("key = adress").starts_with("4: rate limit \"x\": invalid key \"adress\": "));
    CHECK(one("at = query").starts_with("4: rate limit \"x\": invalid at \"query\": "));
    CHECK(one("action = drop").starts_with("4: rate limit \"x\": invalid action \"drop\": "));
    CHECK(one("ratte = 1") == "4: rate limit \"x\": unknown key \"ratte\"; did you mean \"rate\"?");
    CHECK(one("address_prefix4 = 33").starts_with("4: rate limit \"x\": invalid address_prefix4"));
    CHECK(one("key = ,") ==
          "4: rate limit \"x\": invalid key \",\": is an empty list; give at least one, or remove "
          "it");
}

TEST_CASE("names of limits are checked") {
    CHECK(bad("[rate_limit:]\nat = login\nrate = 1\n") ==
          Lines{"1: the name of the rate limit is empty; give one, as in [rate_limit:per_user]"});
    CHECK(bad("[rate_limit:a b]\nat = login\nrate = 1\n").size() == 1);
    CHECK(bad("[rate_limit:" + std::string(64, 'a') + "]\nat = login\nrate = 1\n").size() == 1);
}

TEST_CASE("lines that contradict each other are refused at the header") {
    const auto one = [](const std::string& lines) {
        const Lines errors = bad("[rate_limit:x]\n" + lines);
        return errors.size() == 1 ? errors[0] : std::to_string(errors.size()) + " errors";
    };
    CHECK(one("rate = 1\n") ==
          "1: rate limit \"x\": does not say where it is asked; add at = accept, login or "
          "transaction");
    CHECK(one("at = transaction\n") ==
          "1: rate limit \"x\": limits nothing; give rate, concurrency or bytes_per_second");
    CHECK(one("at = login\n") == "1: rate limit \"x\": limits nothing; give a rate");
    CHECK(one("at = accept\nkey = user\nrate = 1\n") ==
          "1: rate limit \"x\": key cannot be user, which is not known at accept; write at = login "
          "or transaction, or remove it");
    CHECK(one("at = login\nkey = query_class\nrate = 1\n") ==
          "1: rate limit \"x\": key cannot be query_class, which is not known at login; write at = "
          "transaction, or remove it");
    CHECK(one("at = accept\ndatabase = d\nrate = 1\n") ==
          "1: rate limit \"x\": a filter cannot be database, which is not known at accept; write "
          "at = login or transaction, or remove it");
    CHECK(one("at = login\nrate = 1\nquery_class = read\n").find("query_class") !=
          std::string::npos);
    CHECK(one("at = transaction\nburst = 3\nconcurrency = 1\n") ==
          "1: rate limit \"x\": has burst but no rate; give a rate, or remove burst");
    CHECK(one("at = login\nrate = 1\nconcurrency = 1\n").find("max_client_conn") !=
          std::string::npos);
    CHECK(one("at = login\nrate = 1\nbytes_per_second = 1\n").find("at = transaction") !=
          std::string::npos);
    CHECK(one("at = accept\nrate = 1\naction = delay\n") ==
          "1: rate limit \"x\": nothing is delayed at accept; write action = reject or log, or at "
          "= transaction");
}

TEST_CASE("a second limit for the same is refused") {
    CHECK(
        bad("[rate_limit:a]\nat = login\nkey = user\nrate = 1\n"
            "[rate_limit:b]\nat = login\nkey = user\nrate = 2\n") ==
        Lines{"5: rate limit \"b\": has the same at, key and filters as \"a\" (w.ini:5); keep one "
              "of them, with the limits of both"});
    (void)good(
        "[rate_limit:a]\nat = login\nkey = user\nrate = 1\n"
        "[rate_limit:b]\nat = login\nkey = user, database\nrate = 1\n"
        "[rate_limit:c]\nat = login\nkey = user\nuser = x\nrate = 1\n"
        "[rate_limit:d]\nat = login\nkey = address\nrate = 1\n"
        "[rate_limit:e]\nat = login\nkey = address\naddress_prefix4 = 24\nrate = 1\n");
}

TEST_CASE("of two definitions the last counts, whole, and their number is bounded") {
    const auto config = good(
        "[rate_limit:a]\nat = login\nrate = 1\nburst = 5\n[rate_limit:a]\nat = accept\nrate = 2\n");
    CHECK(config->rate_limits.size() == 1);
    CHECK(config->rate_limits.at("a").at == RatePoint::Accept);
    CHECK(config->rate_limits.at("a").burst == 0);
    std::string text;
    for (size_t i = 0; i <= kRateLimitsMax; ++i) {
        text += "[rate_limit:n" + std::to_string(i) + "]\nat = login\nrate = 1\nuser = u" +
                std::to_string(i) + "\n";
    }
    CHECK(bad(text) == Lines{"1: 65 rate limits are too many; give at most 64"});
}

TEST_CASE("a reload keeps what is counted as long as it is of the same keys") {
    const auto base = good("[rate_limit:a]\nat = login\nkey = user\nrate = 1\n");
    const auto faster = good("[rate_limit:a]\nat = login\nkey = user\nrate = 9\naction = log\n");
    const auto other = good("[rate_limit:a]\nat = login\nkey = database\nrate = 1\n");
    const auto larger = good("[rate_limit:a]\nat = login\nkey = user\nrate = 1\nkeys_max = 5\n");
    const auto none = good("");
    CHECK(fate_of_rate_limit(*base, *base, "a") == RateLimitFate::Kept);
    CHECK(fate_of_rate_limit(*base, *faster, "a") == RateLimitFate::Adjusted);
    CHECK(fate_of_rate_limit(*base, *other, "a") == RateLimitFate::Restarted);
    CHECK(fate_of_rate_limit(*base, *larger, "a") == RateLimitFate::Restarted);
    CHECK(fate_of_rate_limit(*base, *none, "a") == RateLimitFate::Removed);
    CHECK(fate_of_rate_limit(*none, *base, "a") == RateLimitFate::Added);
    CHECK(diff(*base, *base).empty());
    CHECK(diff(*base, *faster).rate_limits_changed == Lines{"a"});
    CHECK(diff(*none, *base).rate_limits_changed == Lines{"a"});
    CHECK_FALSE(diff(*base, *none).empty());
}

}  // namespace
}  // namespace weir::rate_limit_config_test
