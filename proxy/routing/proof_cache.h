// ProofCache: verdicts of read-only proofs by the whole text, so that a statement that comes again
// costs one hash and one comparison and no allocation. Texts are compared and not only hashes: no
// collision, found or forged, can route a statement by another's verdict.
//
// Least recently used ones go first, beyond either bound. Texts too long to be proven are not kept,
// nor those that would take more than a sixteenth of the room; they are proven each time.
//
// A verdict depends on the text alone (and on the bound of its length): nothing ever makes it
// untrue, and there is nothing to be forgotten on a reload. Owner: a worker. Thread: the worker's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "protocol/base/intrusive_list.h"
#include "proxy/routing/read_only_proof.h"

namespace weir {

class ProofCache {
  public:
    struct Limits {
        size_t entries = 4096;
        size_t bytes = 4 * 1024 * 1024;          // texts, and kEntryBytes for each
        size_t text_bytes_max = kProofBytesMax;  // see prove_read_only
    };
    struct Counters {
        uint64_t hits = 0;
        uint64_t misses = 0;
        uint64_t evictions = 0;
    };
    // What an entry takes besides its text: itself, its node and its share of buckets.
    static constexpr size_t kEntryBytes = 208;

    ProofCache() : ProofCache(Limits()) {}
    explicit ProofCache(const Limits& limits) : limits_(limits) {}
    ~ProofCache();
    ProofCache(const ProofCache&) = delete;
    ProofCache& operator=(const ProofCache&) = delete;

    // The verdict about `sql`, proven now when it is not known. Allocates then, and only then.
    // Valid until the next call.
    [[nodiscard]] const Proof& proof_of(std::string_view sql);

    // Another bound takes effect at once.
    void set_limits(const Limits& limits);

    [[nodiscard]] size_t size() const { return by_text_.size(); }
    [[nodiscard]] size_t bytes() const { return bytes_; }
    [[nodiscard]] const Counters& counters() const { return counters_; }

  private:
    struct EntryHook : ListHook {};
    struct Entry : EntryHook {
        std::string text;
        Proof proof;
    };
    void keep(std::string_view sql);
    void drop_oldest();
    void shrink();

    Limits limits_;
    std::unordered_map<std::string_view, Entry*> by_text_;  // keys view into the entries
    IntrusiveList<Entry, EntryHook> by_age_;                // oldest use first
    size_t bytes_ = 0;
    Proof last_;  // the verdict of a text that is not kept
    Counters counters_;
};

}  // namespace weir
