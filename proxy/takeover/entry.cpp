#include "proxy/takeover/entry.h"

namespace weir {

std::string servers_entry(const DatabaseConfig& database) {
    std::string out;
    const auto add = [&out](const std::string& text) {
        out += std::to_string(text.size()) + ":" + text;
    };
    const auto add_optional = [&](const std::optional<std::string>& text) {
        out += text ? "+" : "-";
        if (text) add(*text);
    };
    add(database.dbname);
    add_optional(database.user);
    add_optional(database.connect_query);
    add_optional(database.auth_dbname);
    add_optional(database.auth_query);
    out += std::to_string(static_cast<int>(database.load_balance_hosts)) + ";";
    // Backends by name have a pool each, which is found by its address.
    if (database.has_named_backends) return out;
    for (const std::string& host : database.hosts)
        add(host);
    for (const uint16_t port : database.ports)
        out += std::to_string(port) + ";";
    return out + std::to_string(database.port);
}

}  // namespace weir
