// Splitting: read_write_split. When a transaction of a session that wants no certain backend
// begins, decides by its first message, or its first batch up to Sync, whether it goes to where
// reads go or to the primary; proxy/routing/read_split.h has the rules. Sets session.wanted, which
// Routing goes by, and session.reason. Owner: Worker. Thread: the worker's.
#pragma once

#include <array>

#include "proxy/routing/proof_cache.h"
#include "proxy/routing/read_split.h"
#include "proxy/session/context.h"

namespace weir {

class Splitting {
  public:
    explicit Splitting(WorkerContext& context) : ctx_(context) {}

    // `ahead` begins with the transaction's first message and has what else has come of it.
    void decide(ClientSession& session, ByteView ahead);

  private:
    struct Verdict {
        Proof proof;
        HintTarget hint = HintTarget::None;
        bool is_empty = true;  // no statement yet
    };
    [[nodiscard]] Verdict judge(const ClientSession& session, ByteView ahead);
    void add(Verdict& verdict, std::string_view sql);
    [[nodiscard]] bool parses_like_us(const ClientSession& session) const;
    void look_at_replicas(const ClientSession& session, const PoolMembers& members,
                          SplitInput& input) const;

    static constexpr size_t kParsesMax = 16;  // of one batch; more are not looked at

    WorkerContext& ctx_;
    ProofCache proofs_{{.text_bytes_max = kSplitProofBytesMax}};
};

}  // namespace weir
