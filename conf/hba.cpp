#include "conf/hba.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "conf/hba_rule.h"
#include "conf/limits.h"

namespace weir {

// ---- names ----

Status HbaNames::add(const AuthToken& token) {
    if (!token.text.starts_with('/')) {
        names_.insert(token.text);
        return {};
    }
    Result<Regex> expression = Regex::parse(std::string_view(token.text).substr(1));
    if (!expression) return tl::unexpected<Error>(expression.error());
    expressions_.push_back(std::move(*expression));
    return {};
}

bool HbaNames::contains(std::string_view name) const {
    if (!names_.empty() && names_.contains(std::string(name))) return true;
    return std::any_of(expressions_.begin(), expressions_.end(),
                       [name](const Regex& expression) { return expression.matches(name); });
}

// ---- matching ----

namespace {

bool is_right_connection(HbaConnection connection, const HbaClient& client) {
    switch (connection) {
        case HbaConnection::Local: return client.is_unix;
        case HbaConnection::Host: return !client.is_unix;
        case HbaConnection::HostSsl: return !client.is_unix && client.is_tls;
        case HbaConnection::HostNoSsl: return !client.is_unix && !client.is_tls;
    }
    return false;  // uncovered: every enumerator is above
}

bool is_right_address(const HbaRule& rule, const AddressBytes& client, const LocalNetworks& local) {
    switch (rule.where) {
        case HbaAddress::All: return true;
        case HbaAddress::SameHost: return local.is_same_host(client);
        case HbaAddress::SameNet: return local.is_same_net(client);
        case HbaAddress::Network: return masked(client, rule.mask) == rule.network;
    }
    return false;  // uncovered: every enumerator is above
}

bool is_right_database(const HbaRule& rule, const HbaClient& client) {
    if (client.replication == Replication::Physical) return rule.is_replication;
    return rule.is_all_databases || (rule.is_same_user && client.database == client.user) ||
           rule.databases.contains(client.database);
}

}  // namespace

bool HbaRule::matches(const HbaClient& client, const LocalNetworks& local) const {
    if (!is_right_connection(connection, client)) return false;
    if (!client.is_unix && !is_right_address(*this, client.address, local)) return false;
    if (!is_right_database(*this, client)) return false;
    return is_all_users || users.contains(client.user);
}

const HbaRule* HbaRules::find(const HbaClient& client) const {
    const auto found = std::find_if(rules.begin(), rules.end(), [&](const HbaRule& rule) {
        return rule.matches(client, local);
    });
    return found == rules.end() ? nullptr : &*found;
}

bool HbaRules::uses(AuthMethod method) const {
    return std::any_of(rules.begin(), rules.end(),
                       [method](const HbaRule& rule) { return rule.method == method; });
}

// ---- reading ----

HbaRules read_hba(const std::string& path, const AuthFiles& files,
                  std::vector<ConfigError>& errors) {
    constexpr size_t kDatabases = 1;
    constexpr size_t kUsers = 2;
    HbaRules out;
    bool wants_networks = false;
    for (const AuthLine& line : read_auth_lines(path, files, kDatabases, kUsers + 1, errors)) {
        if (out.rules.size() == kAuthRulesMax) {
            add_error(errors, {line.at.file, line.at.line,
                               fmt::format("more than {} rules; put the users of rules that are "
                                           "alike into one, or into a file and write @FILE",
                                           kAuthRulesMax)});
            break;
        }
        Result<HbaRule> rule = read_hba_rule(line);
        if (!rule) {
            add_error(errors, {line.at.file, line.at.line, rule.error().message});
            continue;
        }
        wants_networks |= rule->where == HbaAddress::SameHost || rule->where == HbaAddress::SameNet;
        out.rules.push_back(std::move(*rule));
    }
    if (wants_networks) out.local = read_local_networks();
    return out;
}

}  // namespace weir
