// Selection: which endpoint of a role gets the next transaction.
//
// The default is least outstanding work per effective weight,
//     cost = (in_use + waiting + 1) / (weight * health * warm),
// after Envoy's weighted least request and HAProxy's leastconn: outstanding work is the one thing a
// proxy knows exactly and without delay. Up to 16 candidates are all looked at; above, the better
// of two random ones is taken (power of two choices), which also keeps proxies with old views from
// all choosing the same.
//
// `first` fills one after the other, in the order of the configuration: the rest is in reserve.
//
// A candidate at its connection limit is passed over if another is not. With zone preference the
// local zone is chosen from while its cheapest candidate costs at most zone_spill_factor times the
// cheapest elsewhere. Ties are broken at random.
// Owner: a worker or a pool. Thread: the owner's.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "conf/backend_config.h"
#include "protocol/base/random.h"

namespace weir {

struct Candidate {
    uint32_t in_use = 0;
    uint32_t waiting = 0;
    uint32_t limit = 0;  // most connections; 0 = no limit
    double weight = 1;   // configured; 0 = nothing new (as HAProxy's)
    double health = 1;   // h
    double warm = 1;
    double peak_ewma_us = 0;  // LoadBalance::PeakEwma only
    bool is_local_zone = true;
    bool is_eligible = true;  // role, state and panic already considered
};

struct SelectionOptions {
    LoadBalance method = LoadBalance::WeightedLeastOutstanding;
    uint32_t full_scan_max = 16;
    // 0 = zones do not matter. At 2 the local zone is left when one elsewhere costs less than half,
    // for example idle against two outstanding.
    double zone_spill_factor = 0;

    bool operator==(const SelectionOptions&) const = default;
};

// What a candidate costs now. Less is better; finite and above zero while weight > 0.
[[nodiscard]] double selection_cost(const Candidate& candidate, LoadBalance method);

// What select() makes of a candidate.
enum class Standing : uint8_t {
    NotEligible,
    AtLimit,    // of its connections, and another is not
    OtherZone,  // than the one that is chosen from
    Dearer,     // costs more than those that may be chosen
    Behind,     // another comes before it in their order
    MayBeChosen,
};

class Selector {
  public:
    // `candidates_max` bounds what weighted round robin remembers; more candidates than that share
    // no memory of their turns.
    Selector(const SelectionOptions& options, size_t candidates_max)
        : options_(options), turns_(candidates_max, 0.0) {}
    void configure(const SelectionOptions& options) { options_ = options; }

    // The index of the choice, or nothing when no candidate is eligible. Candidates keep their
    // places from call to call. No allocation; O(candidates).
    [[nodiscard]] std::optional<size_t> select(std::span<const Candidate> candidates, Prng& random);

    // What select() would make of each candidate now, for explanations. Ties, draws and turns stay
    // open: several may be chosen. Changes nothing. `out` is as long as `candidates`.
    void judge(std::span<const Candidate> candidates, std::span<Standing> out) const;

  private:
    // Which candidates are in the choice.
    struct Filter {
        bool below_limit = false;
        std::optional<bool> local_zone;
        [[nodiscard]] bool passes(const Candidate& candidate) const;
    };
    struct Cheapest {
        std::optional<size_t> index;
        double cost = 0;
    };
    [[nodiscard]] Filter narrow(std::span<const Candidate> candidates, Prng& random) const;
    [[nodiscard]] Cheapest cheapest(std::span<const Candidate> candidates, const Filter& filter,
                                    Prng& random) const;
    [[nodiscard]] double dearest_choice(std::span<const Candidate> candidates,
                                        const Filter& filter) const;
    [[nodiscard]] std::optional<size_t> best_of_two(std::span<const Candidate> candidates,
                                                    const Filter& filter, Prng& random) const;
    [[nodiscard]] static std::optional<size_t> first_of(std::span<const Candidate> candidates,
                                                        const Filter& filter);
    [[nodiscard]] std::optional<size_t> next_turn(std::span<const Candidate> candidates,
                                                  const Filter& filter, Prng& random);

    SelectionOptions options_;
    std::vector<double> turns_;  // smooth weighted round robin: credit of each candidate
};

}  // namespace weir
