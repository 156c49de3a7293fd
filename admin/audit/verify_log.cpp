#include "admin/audit/verify_log.h"

#include <spdlog/fmt/fmt.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace weir {

bool LogVerifier::read(const std::string& name, std::istream& file) {
    ++files_;
    std::string text;
    for (uint64_t number = 1; std::getline(file, text); ++number) {
        std::optional<std::string> wrong;
        const std::optional<ChainedLine> line = parse_chained_line(text);
        const bool has_end = !file.eof();
        if (!line || !has_end) {
            wrong = has_end ? "is no line of such a log" : "is not whole";
        } else {
            wrong = check(*line);
        }
        if (wrong) {
            problem_ = fmt::format("{}:{}: {}", name, number, *wrong);
            return false;
        }
        ++lines_;
    }
    return true;
}

std::optional<std::string> LogVerifier::check(const ChainedLine& line) {
    if (!line.is_hash_right) return "was changed: its hash is not that of its content";
    const auto found = chains_.find(line.chain);
    if (found == chains_.end()) {
        if (auto wrong = check_first(line)) return wrong;
    } else {
        const Chain& chain = found->second;
        if (line.seq > chain.seq + 1) {
            return fmt::format("{} lines are missing before it: line {} of its chain follows {}",
                               line.seq - chain.seq - 1, line.seq, chain.seq);
        }
        if (line.seq <= chain.seq) {
            return fmt::format("is out of order: line {} of its chain comes after {}", line.seq,
                               chain.seq);
        }
        if (line.prev != chain.hash) return "does not follow the line before it in its chain";
        if (chain.is_closed) return "comes after the end of its chain";
    }
    Chain& chain = chains_[std::string(line.chain)];
    chain.seq = line.seq;
    chain.hash = line.hash;
    chain.is_closed = line.event == kLogClosed;
    hashes_.insert(chain.hash);
    return std::nullopt;
}

std::optional<std::string> LogVerifier::check_first(const ChainedLine& line) {
    const bool is_first_line = lines_ == 0;
    if (line.seq == 1 && line.event == kLogOpened) {
        if (line.prev == HashChain::zeros()) {
            if (!is_first_line)
                notes_.push_back(
                    fmt::format("chain {} begins in a file that was empty, so it "
                                "does not vouch for what is before",
                                line.chain));
            return std::nullopt;
        }
        if (hashes_.contains(std::string(line.prev))) return std::nullopt;
        if (!is_first_line) return "the line that its chain follows is missing";
        notes_.push_back(
            fmt::format("chain {} follows a line that is not in these files", line.chain));
        return std::nullopt;
    }
    if (files_ == 1 && (line.event == kLogContinued || line.event == kLogTruncated)) {
        notes_.push_back(
            fmt::format("chain {} goes on at line {}: its beginning is not in these files",
                        line.chain, line.seq));
        return std::nullopt;
    }
    return fmt::format("lines are missing before it: it is line {} of its chain", line.seq);
}

std::vector<std::string> LogVerifier::notes() const {
    std::vector<std::string> out = notes_;
    for (const auto& [id, chain] : chains_) {
        if (chain.is_closed) continue;
        out.push_back(
            fmt::format("chain {} has no end: its process runs, was killed, or lines "
                        "behind {} are missing",
                        id, chain.seq));
    }
    return out;
}

int verify_logs(const std::vector<std::string>& files) {
    LogVerifier verifier;
    for (const std::string& name : files) {
        std::ifstream file(name, std::ios::binary);
        if (!file) {
            std::fprintf(stderr, "cannot read \"%s\": %s\n", name.c_str(), std::strerror(errno));
            return 2;
        }
        if (verifier.read(name, file)) continue;
        std::printf("%s\n", verifier.problem().c_str());
        return 1;
    }
    for (const std::string& note : verifier.notes())
        std::printf("note: %s\n", note.c_str());
    std::printf("%llu lines in %zu chains: good\n",
                static_cast<unsigned long long>(verifier.lines()), verifier.chains());
    return 0;
}

}  // namespace weir
