#include "conf/regex.h"

#include <re2/re2.h>
#include <spdlog/fmt/fmt.h>

#include "conf/limits.h"

namespace weir {

namespace {

re2::StringPiece piece(std::string_view text) {
    return {text.data(), text.size()};
}

}  // namespace

Result<Regex> Regex::parse(std::string_view expression) {
    if (expression.empty()) {
        return fail("22023", "the regular expression is empty; write one behind the slash");
    }
    if (expression.size() > kRegexBytesMax) {
        return fail("22023", fmt::format("the regular expression is longer than {} bytes; make it "
                                         "shorter, or two",
                                         kRegexBytesMax));
    }
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(kRegexMemoryBytesMax);
    auto compiled = std::make_shared<const re2::RE2>(piece(expression), options);
    if (!compiled->ok()) {
        return fail("22023", fmt::format("the regular expression cannot be used: {}; correct it "
                                         "(the syntax is that of RE2)",
                                         compiled->error()));
    }
    return Regex(std::move(compiled));
}

bool Regex::matches(std::string_view text) const {
    return re2::RE2::PartialMatch(piece(text), *compiled_);
}

std::optional<std::string> Regex::first_group(std::string_view text) const {
    re2::StringPiece found[2];
    const re2::StringPiece whole = piece(text);
    if (!compiled_->Match(whole, 0, whole.size(), re2::RE2::UNANCHORED, found, 2)) return {};
    return std::string(found[1].data() == nullptr
                           ? std::string_view()
                           : std::string_view(found[1].data(), found[1].size()));
}

int Regex::groups() const {
    return compiled_->NumberOfCapturingGroups();
}

}  // namespace weir
