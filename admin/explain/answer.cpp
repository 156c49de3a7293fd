#include "admin/explain/answer.h"

#include <cstdio>
#include <string>

#include "admin/explain/check_config.h"

namespace weir {

int answer_about_config(const CommandLine& line) {
    const CheckReport report = check_config(line.config_file);
    const std::string text =
        line.is_json ? check_json(line.config_file, report) : check_text(line.config_file, report);
    const bool is_told = std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
    return report.errors.empty() && is_told ? 0 : 1;
}

}  // namespace weir
