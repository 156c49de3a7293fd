// --verify-log: whether logs in a hash chain (see HashChain) are as they were written. Files are
// given oldest first. Thread: any; reads files.
//
// What is found is the first line that is wrong: changed, inserted, out of order, or with lines
// missing in front of it. What cannot be told from the files alone is a note: that the first file
// goes on from one that is not given, and that a chain has no end, which is so while its process
// runs, after it was killed, and when somebody has cut off the last lines.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "admin/audit/hash_chain.h"

namespace weir {

class LogVerifier {
  public:
    // False: a line is wrong; see problem(). Not to be called again then.
    bool read(const std::string& name, std::istream& file);

    [[nodiscard]] const std::string& problem() const { return problem_; }
    [[nodiscard]] std::vector<std::string> notes() const;
    [[nodiscard]] uint64_t lines() const { return lines_; }
    [[nodiscard]] size_t chains() const { return chains_.size(); }

  private:
    struct Chain {
        uint64_t seq = 0;
        std::string hash;
        bool is_closed = false;
    };
    // What is wrong with it; null = nothing.
    std::optional<std::string> check(const ChainedLine& line);
    std::optional<std::string> check_first(const ChainedLine& line);

    std::map<std::string, Chain, std::less<>> chains_;
    std::unordered_set<std::string> hashes_;  // of all lines
    std::vector<std::string> notes_;
    std::string problem_;
    uint64_t lines_ = 0;
    size_t files_ = 0;
};

// Reads the files, prints what it comes to, and gives the exit code: 0 good, 1 a line is wrong, 2 a
// file cannot be read.
int verify_logs(const std::vector<std::string>& files);

}  // namespace weir
