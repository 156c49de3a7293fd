#include "conf/option_edit.h"

#include <spdlog/fmt/fmt.h>

#include <memory>
#include <vector>

#include "conf/auth_rules.h"
#include "conf/ini.h"
#include "conf/option_table.h"
#include "conf/userlist.h"

namespace weir {

namespace {

// Who was in the old file and is not in the new one can no longer log in, as after a RELOAD.
Status read_secrets(Config& config) {
    config.secrets.clear();
    const std::string& path = config.global.auth_file;
    if (path.empty()) return {};
    const Result<std::string> text = read_file(path);
    if (!text) {
        return fail("22023",
                    fmt::format("cannot read auth_file \"{}\": {}", path, text.error().message));
    }
    for (AuthFileUser& user : parse_userlist(*text, path).users)
        config.secrets.insert_or_assign(std::move(user.name), std::move(user.secret));
    return {};
}

// Rules that the option names, or that its auth_type is the first to want.
Status read_rules(Config& config) {
    const std::vector<std::string> contradictions = auth_contradictions(config.global);
    if (!contradictions.empty()) return fail("22023", contradictions.front());
    const AuthFiles files{read_file, read_directory};
    const std::vector<ConfigError> errors = load_auth_rules(config, files, {"SET", 0});
    if (!errors.empty()) return fail("22023", to_string(errors.front()));
    return {};
}

bool is_about_rules(const std::string& name) {
    return name == "auth_type" || name == "auth_hba_file" || name == "auth_ident_file";
}

}  // namespace

Result<ConfigPtr> with_option(const Config& config, const std::string& name,
                              const std::string& value) {
    auto next = std::make_shared<Config>(config);
    Status set = set_running_option(next->global, name, value);
    if (set && name == "auth_file") set = read_secrets(*next);
    if (set && is_about_rules(name)) set = read_rules(*next);
    if (!set) return tl::unexpected<Error>(set.error());
    next->add_to_digest("SET " + name + "=" + value);
    return ConfigPtr(std::move(next));
}

}  // namespace weir
