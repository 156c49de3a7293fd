#include "proxy/pool/route_explanation.h"

#include <spdlog/fmt/fmt.h>

#include "conf/value.h"
#include "proxy/pool/route_survey.h"
#include "proxy/routing/route_hint.h"

namespace weir {

namespace {

using Steps = std::vector<RouteStep>;

double seconds(Duration duration) {
    return static_cast<double>(duration.count()) / 1e6;
}

// ---- what the transaction wants ----

RouteStep wish_step(const RouteQuestion& question, const TargetWord& word) {
    std::string of = "the default";
    if (word.of == WordOf::User) of = fmt::format("of user \"{}\"", question.user);
    if (word.of == WordOf::Database) of = fmt::format("of database \"{}\"", question.database.name);
    return {"target_session_attrs", to_string(word.wanted),
            of + "; a client's own, or its port's, goes before it"};
}

// Empty = transactions are split.
std::string why_not_split(const RouteQuestion& question, TargetSessionAttrs wanted, PoolMode mode) {
    if (!question.members.splits_reads) return "read_write_split is 0";
    if (wanted != TargetSessionAttrs::Any) return "target_session_attrs says where to go";
    if (!may_split(wanted, mode)) return "pool_mode is session";
    return {};
}

RouteStep hint_step(const RouteHint& hint) {
    constexpr const char* kTargets[] = {"none", "primary", "replica"};
    std::string detail;
    if (hint.unknown_words > 0)
        detail = fmt::format("{} unknown word(s) ignored", hint.unknown_words);
    return {"hint", kTargets[static_cast<size_t>(hint.target)], detail};
}

RouteStep proof_step(const Proof& proof) {
    constexpr const char* kKinds[] = {"not proven", "read-only", "read-only block"};
    std::string detail(reason_text(proof.reason));
    if (!proof.detail().empty()) detail += ": " + std::string(proof.detail());
    return {"proof", kKinds[static_cast<size_t>(proof.kind)], detail};
}

std::string words_for(const SplitDecision& decision) {
    const bool is_read = decision.target == SplitTarget::Reads;
    return fmt::format("{}: {}", reason_text(decision.reason),
                       is_read ? "where reads go" : "the primary");
}

// What such a read would get in a session that has written this very moment.
RouteStep own_writes_step(const RouteQuestion& question, SplitInput input) {
    const std::string mode = to_string(input.read_your_writes);
    input.last_write_at = input.now;
    std::string detail = "just after a write: " + words_for(decide_split(input));
    if (input.read_your_writes == ReadYourWrites::Time)
        detail += fmt::format(", for {:g} s", seconds(input.sticky_for));
    if (input.read_your_writes == ReadYourWrites::Lsn) {
        for (const PoolMember& member : question.members.list) {
            const Endpoint& endpoint = *member.pool->endpoint();
            if (endpoint.verdict().role == Role::Primary && endpoint.position().lsn != 0)
                input.covering_lsn = endpoint.position().lsn;
        }
        input.replayed_lsn = most_replayed(question.members);
        detail += "; after a write that the last probe has seen: " + words_for(decide_split(input));
    }
    return {"read_your_writes", mode, detail};
}

// The steps up to the decision; what is wanted then.
TargetSessionAttrs add_wish(const RouteQuestion& question, Steps& steps) {
    const TargetWord word =
        target_session_attrs_word(question.config, question.database, question.user);
    const PoolMode mode = effective_pool_mode(question.config, question.database, question.user);
    const Proof proof = prove_read_only(question.sql, kSplitProofBytesMax);
    const RouteHint hint = route_hint(question.sql);
    steps.push_back(wish_step(question, word));
    const std::string why_not = why_not_split(question, word.wanted, mode);
    steps.push_back({"read_write_split", why_not.empty() ? "on" : "off", why_not});
    steps.push_back(hint_step(hint));
    steps.push_back(proof_step(proof));
    if (!why_not.empty()) {
        steps.push_back({"decision", RouteReason(word.wanted).name(),
                         fmt::format("{}: hints and proofs do not matter", describe(word.wanted))});
        return word.wanted;
    }
    SplitInput input = split_input(question.config.global, question.now);
    input.parses_alike = true;
    input.proof = &proof;
    input.hint = hint.target;
    const SplitDecision decision = decide_split(input);
    steps.push_back({"decision", RouteReason(decision.reason).name(), words_for(decision)});
    if (decision.target == SplitTarget::Reads) steps.push_back(own_writes_step(question, input));
    return wanted_for(decision.target);
}

// ---- which backends that leaves ----

struct Board {
    explicit Board(size_t size) : places(size), candidates(size), standings(size) {}

    std::vector<RoutePlace> places;
    std::vector<Candidate> candidates;
    std::vector<Standing> standings;
    RouteRequest request;
    std::optional<size_t> trial;  // the backend whose trial the transaction would be
};

Board look(const RouteQuestion& question, TargetSessionAttrs wanted) {
    const PoolMembers& members = question.members;
    const size_t size = members.list.size();
    Board board(size);
    const RouteWish wish{.wanted = wanted};
    board.request = survey(members, wish, 0, question.now, board.places, board.candidates);
    for (size_t i = 0; i < size && !board.trial; ++i) {
        if (is_trial_due(board.places[i], board.candidates[i].weight, wanted) &&
            members.list[i].pool->endpoint()->has_free_trial(question.now))
            board.trial = i;
    }
    mark_best(board.places, board.request, board.candidates);
    Selector(members.selection, size).judge(board.candidates, board.standings);
    return board;
}

std::string name_of(const RouteQuestion& question, size_t index) {
    const Endpoint& endpoint = *question.members.list[index].pool->endpoint();
    for (const BackendConfig& backend : question.database.backends) {
        if (backend.host == endpoint.host() && backend.port == endpoint.port()) return backend.name;
    }
    return endpoint.address();
}

bool has_better_rank(const Board& board, RouteRank rank) {
    for (size_t i = 0; i < board.places.size(); ++i) {
        if (board.candidates[i].weight > 0 && rank_of(board.places[i], board.request) < rank)
            return true;
    }
    return false;
}

// Why the backend is not chosen, or that it may be.
RouteStep standing_step(const Board& board, size_t index) {
    const RoutePlace& place = board.places[index];
    const Candidate& candidate = board.candidates[index];
    const RouteStanding standing = standing_of(place, board.request);
    if (board.trial == index) return {"", "chosen", "the transaction would be its trial"};
    if (standing.rank == RouteRank::Never) {
        std::string why(bar_text(standing.bar));
        const bool is_due = is_trial_due(place, candidate.weight, board.request.wanted);
        if (is_due && !board.trial && standing.bar == RouteBar::Out)
            why += "; its trial is under way";
        return {"", "not eligible", why};
    }
    if (candidate.weight <= 0) return {"", "not eligible", "weight 0: nothing new"};
    switch (board.standings[index]) {
        case Standing::NotEligible:
            return {"", "passed over",
                    has_better_rank(board, standing.rank) ? "others are of a better rank"
                                                          : "its logins are failing"};
        case Standing::AtLimit:
            return {"", "passed over",
                    fmt::format("at its limit of {} connections", candidate.limit)};
        case Standing::OtherZone:
            return {"", "passed over",
                    candidate.is_local_zone ? "elsewhere costs less, in spite of the zone"
                                            : "another zone than ours"};
        case Standing::Dearer: return {"", "passed over", "costs more"};
        case Standing::Behind: return {"", "passed over", "another comes before it"};
        case Standing::MayBeChosen: break;
    }
    if (board.trial) return {"", "passed over", "a trial goes before; would be chosen else"};
    return {"", "chosen", ""};
}

RouteStep backend_step(const RouteQuestion& question, const Board& board, size_t index) {
    const EndpointVerdict& verdict = board.places[index].verdict;
    const Candidate& candidate = board.candidates[index];
    const RouteRank rank = rank_of(board.places[index], board.request);
    RouteStep step = standing_step(board, index);
    step.step = "backend " + name_of(question, index);
    if (!step.detail.empty()) step.detail += "; ";
    step.detail += fmt::format(
        "role={} state={} weight={:g} health={:.2f} outstanding={} cost={:.4g} rank={} zone={}",
        to_text(verdict.role), to_text(verdict.state), candidate.weight, candidate.health,
        candidate.in_use + candidate.waiting,
        selection_cost(candidate, question.members.selection.method),
        rank == RouteRank::Never ? "none" : std::to_string(static_cast<int>(rank) + 1),
        candidate.is_local_zone ? "local" : "other");
    return step;
}

RouteStep chosen_step(const RouteQuestion& question, const Board& board) {
    if (board.trial)
        return {"chosen", name_of(question, *board.trial), "the transaction would be its trial"};
    std::string names;
    size_t count = 0;
    for (size_t i = 0; i < board.standings.size(); ++i) {
        if (board.standings[i] != Standing::MayBeChosen) continue;
        names += (count++ == 0 ? "" : ", ") + name_of(question, i);
    }
    if (count == 0) {
        return {"chosen", "none",
                fmt::format("held until a backend can serve it, for {:g} s (breaker_hold), and "
                            "then an error",
                            seconds(question.config.global.breaker_hold))};
    }
    return {"chosen", names,
            fmt::format("{}load_balance = {}", count > 1 ? "one of them, by " : "",
                        to_string(question.members.selection.method))};
}

}  // namespace

Steps explain_route(const RouteQuestion& question) {
    const DatabaseConfig& database = question.database;
    Steps steps;
    if (!question.members.is_routed) {
        const std::string where = join_list(database.hosts);
        steps.push_back({"database", database.name,
                         "not routed: one pool uses its hosts in turn; backends= would change it"});
        steps.push_back(
            {"chosen", where.empty() ? "the local server" : where, "whatever the statement is"});
        return steps;
    }
    steps.push_back({"database", database.name,
                     fmt::format("routed over {} backends", question.members.list.size())});
    steps.push_back({"user", question.user, question.user_why});
    const TargetSessionAttrs wanted = add_wish(question, steps);
    const Board board = look(question, wanted);
    for (size_t i = 0; i < board.places.size(); ++i)
        steps.push_back(backend_step(question, board, i));
    steps.push_back(chosen_step(question, board));
    return steps;
}

}  // namespace weir
