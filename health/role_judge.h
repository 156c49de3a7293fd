// RoleJudge: who is the primary, by fenced evidence.
//
// An endpoint is the primary when it said so itself (not in recovery), with the expected system
// identifier, on the highest timeline that anybody has shown, less than two probe intervals ago,
// and nothing has happened since to doubt it. The timeline is the fence: a promotion raises it, so
// that an old primary that comes back is known for what it is, even while the new one cannot be
// seen. Of two claimants on one timeline each may be the wrong one: nobody is the primary then, and
// an alert is due. Better no write than one that is lost. What a primary said of itself before the
// promotion of another was true then: it alerts nobody, or else every quick failover would.
//
//   | evidence                              | role                                          |
//   | in recovery                           | Replica; keeps it however old: health judges  |
//   | claims, highest timeline, fresh, alone| Primary                                       |
//   | claims, anything else                 | Unknown: no traffic                           |
//   | none, or another system identifier    | Unknown                                       |
//
// The system identifier is configured, or learned: from the first evidence, but that may be a
// stranger's. So for two probe intervals, in which everybody has been asked, or until two servers
// agree, the one that most servers have counts; if there is no such one, all are Unknown and an
// alert is due. After that it stays, whoever comes.
//
// The same server listed under two addresses looks like two claimants: list each server once.
// Pure; allocates in the constructor only. Owner: the health registry, one per database cluster.
// Thread: the owner's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "health/probe_result.h"
#include "protocol/base/clock.h"

namespace weir {

enum class Role : uint8_t { Unknown, Primary, Replica };

// As SHOW prints it.
[[nodiscard]] constexpr std::string_view to_text(Role role) {
    switch (role) {
        case Role::Primary: return "primary";
        case Role::Replica: return "replica";
        case Role::Unknown: break;
    }
    return "unknown";
}

struct RoleOptions {
    Duration probe_interval = std::chrono::seconds(1);
    uint64_t system_identifier = 0;  // expected; 0 = that of the first evidence
};

class RoleJudge {
  public:
    RoleJudge(const RoleOptions& options, size_t endpoint_count);

    // A good probe (Outcome::Success) of endpoint `index`. Older evidence than what there is, or
    // than a revocation, is ignored. Its age counts from the question (sent_at).
    void on_probe(size_t index, const ProbeResult& probe);

    // The connection that supplied the evidence was lost, or the endpoint answered 25006: no longer
    // the primary until a probe sent after `now` says so. A replica stays one: losing a connection
    // does not promote anybody.
    void revoke(size_t index, Instant now);

    // Forgets timelines and the learned system identifier, by an operator's order: after a cluster
    // was rebuilt, or when a stray promotion has fenced off everybody. What was revoked stays so.
    void reset();
    // Takes timeline, LSN and learned system identifier over from the judge before a RELOAD: the
    // fence has to outlast it, also when whoever raised it is no longer listed.
    void inherit(const RoleJudge& before);

    struct Verdict {
        std::optional<size_t> primary;
        bool is_split = false;     // several claimants on one timeline: alert
        bool is_fenced = false;    // asked since the fence, somebody claims on a lower one: alert
        bool is_foreign = false;   // somebody has another system identifier: alert
        bool is_disputed = false;  // it cannot be told which of several is meant: alert
    };
    [[nodiscard]] Verdict judge(Instant now) const;
    // The role of one endpoint under a verdict of the same moment.
    [[nodiscard]] Role role_of(size_t index, const Verdict& verdict) const;

    [[nodiscard]] uint32_t highest_timeline() const { return fence_.timeline; }
    [[nodiscard]] uint64_t system_identifier() const { return system_identifier_; }
    // The newest LSN written by a primary on the highest timeline, for ProbeResult::primary_lsn.
    [[nodiscard]] uint64_t primary_lsn() const { return fence_.primary_lsn; }

  private:
    struct Evidence {
        enum class Kind : uint8_t { None, Claim, Recovery } kind = Kind::None;
        uint64_t system_identifier = 0;  // 0 = it was not told
        uint32_t timeline = 0;
        Instant sent_at;
        Instant revoked_at;
    };
    // Since the highest timeline was first shown.
    struct Fence {
        uint32_t timeline = 0;
        Instant asked_at;          // sent_at of the evidence that showed it
        uint64_t primary_lsn = 0;  // the newest that a primary on it has written
    };
    [[nodiscard]] bool is_fresh(const Evidence& evidence, Instant now) const;
    [[nodiscard]] bool is_ours(const Evidence& evidence) const;
    void learn_identifier(Instant now);
    void adopt(uint64_t system_identifier);
    void raise_fence(const Evidence& evidence);

    RoleOptions options_;
    uint64_t system_identifier_ = 0;
    bool is_settled_ = false;   // it is not learned any more
    bool is_disputed_ = false;  // see the Verdict
    Instant first_at_;          // the first evidence
    Fence fence_;
    std::vector<Evidence> evidence_;
};

}  // namespace weir
