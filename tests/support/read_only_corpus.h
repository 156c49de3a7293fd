// The statements of read_only_corpus.txt with the verdict that a read-only proof owes each.
// Thread: any.
#pragma once

#include <fstream>
#include <string>
#include <vector>

namespace weir {

struct CorpusRow {
    std::string verdict;  // read_only, block, reason, reason:detail
    std::string sql;
};

inline std::vector<CorpusRow> read_only_corpus() {
    std::vector<CorpusRow> rows;
    std::ifstream file(WEIR_SOURCE_DIR "/tests/support/read_only_corpus.txt");
    for (std::string line; std::getline(file, line);) {
        const size_t tab = line.find('\t');
        if (line.starts_with('#') || tab == std::string::npos) continue;
        CorpusRow row{line.substr(0, tab), ""};
        for (size_t i = tab + 1; i < line.size(); ++i) {
            char c = line[i];
            if (c == '\\' && i + 1 < line.size()) {
                c = line[++i];
                c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
            }
            row.sql += c;
        }
        rows.push_back(row);
    }
    return rows;
}

}  // namespace weir
