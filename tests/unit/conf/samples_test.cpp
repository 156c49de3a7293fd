// Goal: what is shipped beside the code (samples, reference, golden list of options) agrees with
// the code. Method: load each sample; compare generated text with the files. WEIR_UPDATE_GOLDEN=1
// rewrites the generated files instead of comparing. Run from the source tree, or say where it is
// in WEIR_SOURCE_DIR.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>

#include "conf/auth_rules.h"
#include "conf/loader.h"
#include "conf/manual.h"
#include "conf/option_table.h"
#include "conf/reference.h"
#include "proxy/start/manual.h"

namespace weir::samples_test {
namespace {

std::string source_dir() {
    if (const char* from_environment = std::getenv("WEIR_SOURCE_DIR")) return from_environment;
#ifdef WEIR_SOURCE_DIR
    return WEIR_SOURCE_DIR;
#else
    return ".";
#endif
}

std::string read(const std::string& path) {
    return read_file(source_dir() + "/" + path).value_or("");
}

void check_generated(const std::string& path, const std::string& text) {
    if (std::getenv("WEIR_UPDATE_GOLDEN") != nullptr) {
        std::ofstream(source_dir() + "/" + path) << text;
    }
    INFO("regenerate ", path, " with WEIR_UPDATE_GOLDEN=1");
    CHECK(read(path) == text);
}

// Paths inside the samples are relative to the source tree.
LoadResult load_sample(const std::string& path) {
    return load_config_with(path, nullptr, [](const std::string& file) {
        return read_file(source_dir() + "/" + file);
    });
}

void check_sample(const std::string& path) {
    const LoadResult result = load_sample(path);
    for (const ConfigError& error : result.errors) {
        MESSAGE(to_string(error));
    }
    REQUIRE(result.config);
    for (const ConfigNote& warning : result.config->warnings) {
        MESSAGE(warning.file << ":" << warning.line << ": " << warning.text);
    }
    CHECK(result.config->warnings.empty());
    CHECK_FALSE(result.config->secrets.empty());
}

TEST_CASE("the sample files load without a warning") {
    check_sample("conf/weir.ini");
    check_sample("conf/minimal.ini");
}

// The text after ";name = " or "name = " at the start of a line; nothing when no line starts so.
std::optional<std::string> shown_value(const std::string& text, const std::string& name) {
    for (const std::string& start : {"\n;" + name + " =", "\n" + name + " ="}) {
        const size_t at = text.find(start);
        if (at == std::string::npos) continue;
        const size_t from = at + start.size();
        const std::string value = text.substr(from, text.find('\n', from) - from);
        return value.empty() ? value : value.substr(1);
    }
    return {};
}

TEST_CASE("the large sample shows every option, commented ones with their default") {
    const std::string text = "\n" + read("conf/weir.ini");
    for (const Option& option : option_table()) {
        CAPTURE(option.name);
        const std::optional<std::string> value = shown_value(text, std::string(option.name));
        REQUIRE(value);
        const bool is_comment =
            text.find("\n;" + std::string(option.name) + " =") != std::string::npos;
        if (is_comment && option.default_text != nullptr) CHECK(*value == option.default_text);
    }
}

TEST_CASE("every commented option of the large sample is accepted when the comment is taken away") {
    std::istringstream lines(read("conf/weir.ini"));
    std::string text;
    for (std::string line; std::getline(lines, line);) {
        const bool is_setting = line.size() > 1 && line[0] == ';' && line[1] != ' ';
        text += (is_setting ? line.substr(1) : line) + "\n";
    }
    const LoadResult result = load_config_with(
        "weir.ini", nullptr, [&text](const std::string& file) -> Result<std::string> {
            return file == "weir.ini" ? text : std::string("\"u\" \"p\"\n");
        });
    for (const ConfigError& error : result.errors) {
        MESSAGE(to_string(error));
    }
    CHECK(result.config);
}

TEST_CASE("the sample rules and maps can be read, and the rules find their map") {
    Config config;
    config.global.auth_type = AuthType::Hba;
    config.global.auth_hba_file = source_dir() + "/conf/hba.conf";
    config.global.auth_ident_file = source_dir() + "/conf/ident.conf";
    for (const ConfigError& error : load_auth_rules(config, {}, {"weir.ini", 1}))
        MESSAGE(to_string(error));
    REQUIRE(config.auth_rules);
    CHECK(config.auth_rules->hba.rules.size() == 5);
    CHECK(config.auth_rules->maps.allows("people", "ann_admin", "admin_ann"));
}

TEST_CASE("the reference and the golden list are those of the table, and so are the manual pages") {
    check_generated("conf/reference.md", render_reference_markdown());
    check_generated("tests/golden/options.txt", render_option_list());
    check_generated("conf/manual/weir.ini.5", render_weir_ini_manual());
    check_generated("conf/manual/weir.1", render_weir_manual());
}

}  // namespace
}  // namespace weir::samples_test
