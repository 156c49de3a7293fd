#include "proxy/session/relay/splitting.h"

#include <algorithm>

#include "protocol/message/frontend.h"
#include "proxy/pool/route_survey.h"

namespace weir {

void Splitting::decide(ClientSession& session, ByteView ahead) {
    const PoolMembers& members = session.group->members();
    session.wanted = TargetSessionAttrs::Any;
    session.reason = RouteReason(TargetSessionAttrs::Any);
    session.is_write = false;
    session.required_lsn = 0;
    if (!members.is_routed || !members.splits_reads) return;
    const Verdict verdict = judge(session, ahead);
    SplitInput input = split_input(ctx_.config->global, ctx_.now);
    input.parses_alike = parses_like_us(session);
    input.proof = verdict.is_empty ? nullptr : &verdict.proof;
    input.hint = verdict.hint;
    input.last_write_at = session.last_write_at;
    if (input.read_your_writes == ReadYourWrites::Lsn) look_at_replicas(session, members, input);
    const SplitDecision decision = decide_split(input);
    session.reason = RouteReason(decision.reason);
    session.wanted = wanted_for(decision.target);
    session.required_lsn = decision.required_lsn;
    session.is_write = counts_as_write(decision.target, input.proof);
}

// Reads the messages that are one transaction: a Query, or a batch up to its Sync.
Splitting::Verdict Splitting::judge(const ClientSession& session, ByteView ahead) {
    Verdict verdict;
    FrameParser parser = session.parser;
    std::array<std::string_view, kParsesMax> parsed;  // names that this batch gives
    size_t parsed_count = 0;
    const auto unknown = [&verdict] {
        verdict.proof = Proof{.kind = ProofKind::NotProven, .reason = ProofReason::Unparsable};
        verdict.is_empty = false;
        return verdict;
    };
    while (true) {
        const Piece piece = parser.peek(ahead);
        if (piece.kind != Piece::Kind::Start || !piece.is_complete()) return unknown();
        const ByteView body = piece.body();
        switch (static_cast<FrontendTag>(piece.tag)) {
            case FrontendTag::Query:
                if (!verdict.is_empty || body.empty()) return unknown();
                add(verdict, as_text(body.first(body.size() - 1)));
                return verdict;
            case FrontendTag::Parse: {
                const auto parse = view_parse(body);
                if (!parse) return unknown();
                if (parsed_count == parsed.size()) return unknown();
                parsed[parsed_count++] = parse->name;
                add(verdict, parse->sql);
                break;
            }
            case FrontendTag::Bind: {
                const auto bind = view_bind_prefix(body);
                if (!bind) return unknown();
                const auto end = parsed.begin() + parsed_count;
                if (std::find(parsed.begin(), end, bind->statement) != end) break;
                const Statement* statement = session.statements == nullptr
                                                 ? nullptr
                                                 : session.statements->find(bind->statement);
                if (statement == nullptr) return unknown();
                add(verdict, statement->sql());
                break;
            }
            case FrontendTag::Describe:
            case FrontendTag::Execute:
            case FrontendTag::Close:
            case FrontendTag::Flush: break;
            case FrontendTag::Sync: return verdict;
            default: return unknown();
        }
        parser.consume(piece);
        ahead = ahead.subspan(piece.bytes.size());
    }
}

void Splitting::add(Verdict& verdict, std::string_view sql) {
    const Proof& proof = proofs_.proof_of(sql);
    if (verdict.is_empty) {
        verdict.proof = proof;
        verdict.hint = route_hint(sql).target;
    } else {
        verdict.proof = join(verdict.proof, proof);
        // A hint is for its own statement; only a word for the primary holds for all.
        const HintTarget hint = route_hint(sql).target;
        if (hint != verdict.hint) {
            const bool is_primary =
                hint == HintTarget::Primary || verdict.hint == HintTarget::Primary;
            verdict.hint = is_primary ? HintTarget::Primary : HintTarget::None;
        }
    }
    verdict.is_empty = false;
}

bool Splitting::parses_like_us(const ClientSession& session) const {
    const auto get = [&](std::string_view name) -> std::string_view {
        const int index = ctx_.shared.names.index_of(name);
        return index < 0 ? std::string_view() : session.parameters.get(static_cast<size_t>(index));
    };
    return parses_alike(get("client_encoding"), get("standard_conforming_strings"));
}

// What read_your_writes = lsn goes by: where the primary was after the session's last write, and
// how far replicas are.
void Splitting::look_at_replicas(const ClientSession& session, const PoolMembers& members,
                                 SplitInput& input) const {
    RouteView& view = members.views[ctx_.id];
    for (const PoolMember& member : members.list) {
        const Endpoint& endpoint = *member.pool->endpoint();
        if (endpoint.verdict().role != Role::Primary) continue;
        // Another server's positions are another timeline's.
        if (view.lsns_of != member.pool) view.lsns.clear();
        view.lsns_of = member.pool;
        const EndpointPosition position = endpoint.position();
        view.lsns.observe(position.asked_at, position.lsn);
    }
    input.replayed_lsn = most_replayed(members);
    if (!session.last_write_at.is_never())
        input.covering_lsn = view.lsns.covering(session.last_write_at);
}

}  // namespace weir
