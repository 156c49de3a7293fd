#include "admin/explain/answer.h"

#include <cstdio>
#include <string>

#include "admin/explain/check_config.h"
#include "admin/explain/explanation.h"

namespace weir {

namespace {

// A configuration with errors cannot be explained: then they are the answer.
std::string answer(const CommandLine& line, const CheckReport& report) {
    const std::string& path = line.config_file;
    if (line.task == Task::CheckConfig || !report.errors.empty())
        return line.is_json ? check_json(path, report) : check_text(path, report);
    const Explanation explanation = explain(path, report, look_around());
    return line.is_json ? explanation_json(path, explanation) : explanation_text(path, explanation);
}

}  // namespace

int answer_about_config(const CommandLine& line) {
    const CheckReport report = check_config(line.config_file);
    const std::string text = answer(line, report);
    const bool is_told = std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
    return report.errors.empty() && is_told ? 0 : 1;
}

}  // namespace weir
