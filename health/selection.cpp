#include "health/selection.h"

#include <algorithm>
#include <limits>

namespace weir {

namespace {

// A score may be zero; the order by outstanding work must still hold among such candidates.
constexpr double kWeightMin = 1e-6;

double effective_weight(const Candidate& candidate) {
    return std::max(candidate.weight * candidate.health * candidate.warm, kWeightMin);
}

bool is_choosable(const Candidate& candidate) {
    return candidate.is_eligible && candidate.weight > 0;
}

bool is_full(const Candidate& candidate) {
    return candidate.limit > 0 && candidate.in_use >= candidate.limit;
}

// Uniform in [0, 1).
double fraction(Prng& random) {
    return static_cast<double>(random.next() >> 11) * 0x1.0p-53;
}

}  // namespace

double selection_cost(const Candidate& candidate, LoadBalance method) {
    const double outstanding = static_cast<double>(candidate.in_use) + candidate.waiting + 1;
    const double cost = outstanding / effective_weight(candidate);
    if (method != LoadBalance::PeakEwma) return cost;
    return cost * std::max(candidate.peak_ewma_us, 1.0);
}

bool Selector::Filter::passes(const Candidate& candidate) const {
    if (!is_choosable(candidate)) return false;
    if (below_limit && is_full(candidate)) return false;
    return !local_zone || *local_zone == candidate.is_local_zone;
}

std::optional<size_t> Selector::select(std::span<const Candidate> candidates, Prng& random) {
    const Filter filter = narrow(candidates, random);
    switch (options_.method) {
        case LoadBalance::WeightedRoundRobin: return next_turn(candidates, filter, random);
        case LoadBalance::Random: {
            double total = 0;
            std::optional<size_t> chosen;
            for (size_t i = 0; i < candidates.size(); ++i) {
                if (!filter.passes(candidates[i])) continue;
                const double weight = effective_weight(candidates[i]);
                total += weight;
                // Each takes the place with probability weight/total: one pass, no sum beforehand.
                if (fraction(random) * total < weight) chosen = i;
            }
            return chosen;
        }
        case LoadBalance::First: return first_of(candidates, filter);
        case LoadBalance::WeightedLeastOutstanding:
        case LoadBalance::PeakEwma: break;
    }
    if (candidates.size() > options_.full_scan_max) return best_of_two(candidates, filter, random);
    return cheapest(candidates, filter, random).index;
}

Selector::Filter Selector::narrow(std::span<const Candidate> candidates, Prng& random) const {
    Filter filter;
    for (const Candidate& candidate : candidates) {
        if (is_choosable(candidate) && !is_full(candidate)) filter.below_limit = true;
    }
    if (options_.zone_spill_factor <= 0) return filter;
    const Cheapest here = cheapest(candidates, {filter.below_limit, true}, random);
    const Cheapest there = cheapest(candidates, {filter.below_limit, false}, random);
    if (!here.index || !there.index) return filter;
    filter.local_zone = here.cost <= options_.zone_spill_factor * there.cost;
    return filter;
}

void Selector::judge(std::span<const Candidate> candidates, std::span<Standing> out) const {
    Prng random(1);  // for ties, which make no difference here
    const Filter filter = narrow(candidates, random);
    const double most = dearest_choice(candidates, filter);
    const auto first =
        options_.method == LoadBalance::First ? first_of(candidates, filter) : std::nullopt;
    for (size_t i = 0; i < candidates.size(); ++i) {
        const Candidate& candidate = candidates[i];
        if (!is_choosable(candidate)) {
            out[i] = Standing::NotEligible;
        } else if (filter.below_limit && is_full(candidate)) {
            out[i] = Standing::AtLimit;
        } else if (!filter.passes(candidate)) {
            out[i] = Standing::OtherZone;
        } else if (first && *first != i) {
            out[i] = Standing::Behind;
        } else {
            const bool is_dearer = selection_cost(candidate, options_.method) > most;
            out[i] = is_dearer ? Standing::Dearer : Standing::MayBeChosen;
        }
    }
}

// The most that a choice may cost: the cheapest of all is taken; of two drawn ones anything but the
// dearest of all; in turn or at random whoever passes.
double Selector::dearest_choice(std::span<const Candidate> candidates, const Filter& filter) const {
    const bool is_by_cost = options_.method == LoadBalance::WeightedLeastOutstanding ||
                            options_.method == LoadBalance::PeakEwma;
    if (!is_by_cost) return std::numeric_limits<double>::infinity();
    Prng random(1);
    if (candidates.size() <= options_.full_scan_max)
        return cheapest(candidates, filter, random).cost;
    double most = 0;
    double second = 0;
    for (const Candidate& candidate : candidates) {
        if (!filter.passes(candidate)) continue;
        const double cost = selection_cost(candidate, options_.method);
        second = std::max(second, std::min(most, cost));
        most = std::max(most, cost);
    }
    return second > 0 ? second : most;
}

Selector::Cheapest Selector::cheapest(std::span<const Candidate> candidates, const Filter& filter,
                                      Prng& random) const {
    Cheapest best;
    uint64_t ties = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
        if (!filter.passes(candidates[i])) continue;
        const double cost = selection_cost(candidates[i], options_.method);
        if (best.index && cost > best.cost) continue;
        ties = best.index && cost == best.cost ? ties + 1 : 1;
        if (random.below(ties) == 0) best = {i, cost};
    }
    return best;
}

std::optional<size_t> Selector::best_of_two(std::span<const Candidate> candidates,
                                            const Filter& filter, Prng& random) const {
    uint64_t passing = 0;
    for (const Candidate& candidate : candidates)
        passing += filter.passes(candidate) ? 1 : 0;
    if (passing == 0) return std::nullopt;
    // Two different ranks among those that pass; the same when there is one only. Their order is
    // random too, so the first wins ties.
    const uint64_t first = random.below(passing);
    uint64_t second = passing > 1 ? random.below(passing - 1) : 0;
    if (passing > 1 && second >= first) ++second;
    size_t first_index = 0;
    size_t second_index = 0;
    uint64_t rank = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
        if (!filter.passes(candidates[i])) continue;
        if (rank == first) first_index = i;
        if (rank == second) second_index = i;
        ++rank;
    }
    const double first_cost = selection_cost(candidates[first_index], options_.method);
    const double second_cost = selection_cost(candidates[second_index], options_.method);
    return second_cost < first_cost ? second_index : first_index;
}

std::optional<size_t> Selector::first_of(std::span<const Candidate> candidates,
                                         const Filter& filter) {
    for (size_t i = 0; i < candidates.size(); ++i) {
        if (filter.passes(candidates[i])) return i;
    }
    return std::nullopt;
}

// Smooth weighted round robin (nginx): all who pass earn their weight, the richest is chosen and
// pays what all have earned.
std::optional<size_t> Selector::next_turn(std::span<const Candidate> candidates,
                                          const Filter& filter, Prng& random) {
    const size_t known = std::min(candidates.size(), turns_.size());
    double total = 0;
    uint64_t ties = 0;
    std::optional<size_t> best;
    for (size_t i = 0; i < known; ++i) {
        // Who is passed over neither earns nor loses: the credits always add up to zero, and none
        // is ever above the sum of the weights (nginx does the same).
        if (!filter.passes(candidates[i])) continue;
        const double weight = effective_weight(candidates[i]);
        total += weight;
        turns_[i] += weight;
        if (best && turns_[i] < turns_[*best]) continue;
        ties = best && turns_[i] == turns_[*best] ? ties + 1 : 1;
        if (random.below(ties) == 0) best = i;
    }
    if (!best) return best_of_two(candidates, filter, random);
    turns_[*best] -= total;
    return best;
}

}  // namespace weir
