// SHOW USERS: everyone known by name, and the limits of each.
#include <algorithm>
#include <map>
#include <set>

#include "admin/console/show_specs.h"

namespace weir {

namespace {

constexpr ResultColumn kUsersColumns[] = {
    {"name"},
    {"pool_size"},
    {"reserve_pool_size"},
    {"pool_mode"},
    {"max_user_connections", ColumnType::Int4},
    {"current_connections", ColumnType::Int4},
    {"max_user_client_connections", ColumnType::Int4},
    {"current_client_connections", ColumnType::Int4},
};

// PgBouncer's form: nine characters wide, or empty.
std::string size_text(int size) {
    if (size < 0) return "";
    const std::string digits = std::to_string(size);
    return std::string(9 - std::min<size_t>(digits.size(), 9), ' ') + digits;
}

struct Used {
    int servers = 0;
    int clients = 0;
};

void show_users(const ShowInput& input, CommandOutcome& outcome) {
    const Config& config = *input.config;
    std::map<std::string, Used> used;
    input.inspector.pools().for_each_user([&used](const UserState& state) {
        used[state.name] = {state.servers.used(), state.clients.used()};
    });
    for (const std::string& name : listed_users(input)) {
        const UserConfig* user = config.find_user(name);
        Cell pool_mode;
        if (user != nullptr && user->pool_mode) pool_mode = to_string(*user->pool_mode);
        outcome.rows.push_back(
            {name, size_text(user == nullptr ? kInherit : user->pool_size),
             size_text(user == nullptr ? kInherit : user->reserve_pool_size), pool_mode,
             effective_max_user_connections(config, name), used[name].servers,
             effective_max_user_client_connections(config, name), used[name].clients});
    }
}

}  // namespace

constinit const ShowSpec kShowUsers = {
    .topic = "USERS", .columns = kUsersColumns, .fill = show_users};

std::vector<std::string> listed_users(const ShowInput& input) {
    std::set<std::string> names = {kConsoleDatabase};
    for (const auto& [name, secret] : input.config->secrets)
        names.insert(name);
    for (const auto& [name, user] : input.config->users)
        names.insert(name);
    input.inspector.pools().for_each_user(
        [&names](const UserState& state) { names.insert(state.name); });
    return {names.begin(), names.end()};
}

}  // namespace weir
