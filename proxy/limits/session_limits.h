// SessionLimits: the transaction limits that concern one session, and where it stands with them.
//
//   Idle --begin()--> Booked --begin()--> Begun --end()--> Idle
//     \________________________________/^                  (all places and bytes are there at once)
//
//   Idle    nothing is taken
//   Booked  its place in every rate is taken; it waits for that moment, or for a unit of a
//           concurrency; begin() is to be called again then
//   Begun   it holds a unit of every concurrency, until end()
//
// A session without any such limit has none of these objects. Whatever becomes of a session, its
// units go back at the latest with this object.
// Owner: the client session. Thread: its worker's (the rules are any thread's).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "proxy/limits/rate_rule.h"

namespace weir {

// One unit of a rule's concurrency; given back when it is destroyed.
class RateUnit {
  public:
    RateUnit(RateRulePtr rule, uint64_t hash) : rule_(std::move(rule)), hash_(hash) {}
    RateUnit(RateUnit&& other) noexcept = default;
    RateUnit& operator=(RateUnit&& other) = delete;
    ~RateUnit() {
        if (rule_ != nullptr) rule_->table().let_go(hash_);
    }

  private:
    RateRulePtr rule_;
    uint64_t hash_;
};

class SessionLimits {
  public:
    // How often somebody who waits for a unit looks again. Others may come first: who waits is not
    // queued.
    static constexpr Duration kUnitRetry = std::chrono::milliseconds(20);

    static constexpr Duration kLifeSignEvery = std::chrono::milliseconds(100);

    // The rules of `rules` that concern `subject` from now on. A transaction that is under way goes
    // on with what it holds, one that waits has to ask again.
    void set_rules(const std::vector<RateRulePtr>& rules, const RateSubject& subject);
    // None concerns it, and nothing is held.
    [[nodiscard]] bool is_empty() const { return rules_.empty() && units_.empty(); }
    // Does any of them need to know the query class?
    [[nodiscard]] bool needs_class() const { return needs_class_; }

    struct Verdict {
        enum class Kind : uint8_t { Go, Wait, Refuse };
        Kind kind = Kind::Go;
        Instant again_at = {};     // Wait: when to ask again
        RateRefusal refusal = {};  // Refuse
    };
    // A transaction wants to begin; `query_class` is of no matter unless needs_class().
    Verdict begin(Instant now, QueryClass query_class);
    // A life sign (an empty statement, by which connection pools check a connection) wants a
    // server: it is never held up and costs nothing, or a pool would throw away connections just
    // because there is a limit. True, but at most once in kLifeSignEvery; in between it is as any
    // other.
    bool let_life_sign(Instant now) {
        if (now < next_life_sign_at_) return false;
        next_life_sign_at_ = now + kLifeSignEvery;
        return true;
    }
    // So many bytes went through, either way; charged by the next end() of a transaction.
    void moved(uint64_t bytes) { bytes_ += bytes; }
    // It is over, was given up, or never got a server. May be called at any time.
    void end(Instant now);

    // While it waits: when to ask again.
    [[nodiscard]] Instant again_at() const { return again_at_; }
    [[nodiscard]] size_t units() const { return units_.size(); }

  private:
    enum class Stage : uint8_t { Idle, Booked, Begun };
    struct Applied {
        RateRulePtr rule;
        std::string key;  // without the query class
        uint64_t hash = 0;
        RateKey asked{0};        // the key of this transaction
        bool is_asked = false;   // the rule concerns this transaction
        bool is_booked = false;  // ... and has counted it
    };

    bool book(Instant now, QueryClass query_class, Verdict& verdict);
    void unbook(const Applied* refused_by);
    bool take_units(Instant now, Verdict& verdict);
    Verdict wait_until(Instant at, const Applied* because_of);

    std::vector<Applied> rules_;  // keys of `asked` view into it: changed by set_rules only
    std::vector<RateUnit> units_;
    Stage stage_ = Stage::Idle;
    bool needs_class_ = false;
    QueryClass query_class_ = QueryClass::Utility;  // of the last one that asked
    bool is_delayed_ = false;                       // counted as such
    Instant asked_at_;
    Instant starts_at_;
    Instant again_at_;
    Instant next_life_sign_at_;
    uint64_t bytes_ = 0;
    const Applied* slowest_ = nullptr;  // whose place comes last
};

}  // namespace weir
