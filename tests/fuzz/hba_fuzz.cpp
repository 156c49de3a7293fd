// Goal: no rule file and no client makes reading or matching of rules crash, hang or read outside,
// and a file with an error never lets anybody in. Method: the input is cut at form feeds: the rule
// file, the file that every include and @FILE is, then database, user and address of a client.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "conf/auth_rules.h"
#include "conf/config.h"
#include "protocol/base/bytes.h"

namespace weir {
namespace {

void require(bool condition) {
    if (!condition) __builtin_trap();
}

std::string_view take_part(std::string_view& rest) {
    const size_t end = rest.find('\f');
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return part;
}

void check_rule(const HbaRule& rule) {
    require(rule.at.line > 0 && !rule.at.file.empty());
    require(rule.method != AuthMethod::Any);
    require(rule.method != AuthMethod::Peer || rule.connection == HbaConnection::Local);
    require(rule.map.empty() || rule.method == AuthMethod::Peer || rule.method == AuthMethod::Cert);
    require(rule.where != HbaAddress::Network || masked(rule.network, rule.mask) == rule.network);
}

HbaClient make_client(std::string_view database, std::string_view user, std::string_view address) {
    HbaClient client;
    client.database = database;
    client.user = user;
    client.is_unix = address.empty();
    if (client.is_unix) return client;
    const auto kind = static_cast<uint8_t>(address[0]);
    client.is_tls = (kind & 1) != 0;
    client.replication = static_cast<Replication>(kind / 2 % 3);
    std::array<uint8_t, 16> bytes{};
    for (size_t i = 1; i < address.size() && i <= bytes.size(); ++i)
        bytes[i - 1] = static_cast<uint8_t>(address[i]);
    client.address = (kind & 64) != 0
                         ? AddressBytes::from(std::span<const uint8_t, 16>(bytes))
                         : AddressBytes::from(std::span<const uint8_t, 4>(bytes.data(), 4));
    return client;
}

}  // namespace
}  // namespace weir

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace weir;
    std::string_view rest = as_text({data, size});
    const std::string rules(take_part(rest));
    const std::string other(take_part(rest));
    const std::string_view database = take_part(rest);
    const std::string_view user = take_part(rest);
    const HbaClient client = make_client(database, user, rest);
    const AuthFiles files{[&](const std::string& path) -> Result<std::string> {
                              if (path == "hba") return rules;
                              if (path.ends_with("none")) return fail("58P01", "not there");
                              return other;
                          },
                          [](const std::string&) -> Result<std::vector<std::string>> {
                              return std::vector<std::string>{"b.conf", "a.conf", ".c.conf"};
                          }};
    Config config;
    config.global.auth_type = AuthType::Hba;
    config.global.auth_hba_file = "hba";
    config.global.auth_ident_file = "ident";
    const std::vector<ConfigError> errors = load_auth_rules(config, files, {"fuzz.ini", 1});
    require(errors.empty() == (config.auth_rules != nullptr));
    for (const ConfigError& error : errors)
        require(!error.file.empty() && !error.message.empty());
    std::vector<ConfigError> again;
    const HbaRules all = read_hba("hba", files, again);
    for (const HbaRule& rule : all.rules)
        check_rule(rule);
    const HbaRule* found = all.find(client);
    for (const HbaRule& rule : all.rules) {
        const bool is_first = &rule == found;
        require(rule.matches(client, all.local) == is_first || !is_first);
        if (is_first) break;
        require(!rule.matches(client, all.local));
    }
    return 0;
}
