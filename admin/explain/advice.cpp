#include "admin/explain/advice.h"

#include <utility>

#include "admin/explain/advice_rules.h"

namespace weir {

namespace {

constexpr AdviceRule kRules[] = {
    {"trust-on-network", "auth_type trust or any, or a rule that trusts, for other machines",
     advise_trust},
    {"clear-passwords", "passwords that cross the network as they are", advise_clear_passwords},
    {"clear-clients", "clients of other machines without TLS", advise_clear_clients},
    {"clear-servers", "servers on other machines without certain TLS", advise_clear_servers},
    {"unverified-servers", "TLS to whoever answers", advise_unverified_servers},
    {"readable-files", "secrets and keys that everybody on the machine can read",
     advise_readable_files},
    {"md5-secrets", "md5 secrets in auth_file", advise_md5},
    {"plain-secrets", "passwords as they are in auth_file", advise_plain_secrets},
    {"socket-in-tmp", "a Unix socket where everybody may make one", advise_socket_place},
    {"no-admin", "nobody may PAUSE, RELOAD or look", advise_admin_users},
    {"no-stats-user", "monitoring has no user of its own", advise_stats_users},
    {"session-mode", "session pooling with more clients than servers", advise_session_mode},
    {"open-files", "more connections than file descriptors", advise_open_files},
    {"server-connections", "more server connections than a server has", advise_server_connections},
    {"unlimited-pool", "pools that nothing limits", advise_unlimited_pool},
    {"few-clients", "max_client_conn at its small default", advise_few_clients},
    {"short-backlog", "many clients behind a short queue of the kernel", advise_backlog},
    {"many-workers", "more workers than cores", advise_workers},
    {"endless-wait", "clients that wait for a server forever", advise_endless_wait},
    {"idle-transactions", "servers held by clients that sleep inside a transaction",
     advise_idle_transactions},
    {"firewall", "idle connections that outlast a firewall's memory", advise_firewall},
    {"no-keepalive", "peers that have vanished are never noticed", advise_keepalive},
    {"old-servers", "server connections that live forever", advise_server_lifetime},
    {"float-digits", "old JDBC and Npgsql drivers cannot log in", advise_float_digits},
    {"no-prepared-statements", "drivers that prepare fail in transaction pooling",
     advise_prepared_statements},
    {"reset-query", "server_reset_query where it is not used", advise_reset_query},
    {"log-nowhere", "no log but standard error", advise_log},
    {"shared-port", "cancel requests that reach the wrong process", advise_shared_port},
};

}  // namespace

void AdviceList::tell(const std::string& section, const std::string& name, std::string text) {
    tell(review_.place_of(section, name), std::move(text));
}

void AdviceList::tell(const IniPlace& at, std::string text) {
    list_.push_back({id_, at, std::move(text)});
}

std::span<const AdviceRule> advice_rules() {
    return kRules;
}

std::vector<Advice> advise(const Review& review) {
    AdviceList list(review);
    for (const AdviceRule& rule : kRules) {
        list.begin(rule.id);
        rule.look(review, list);
    }
    return list.take();
}

}  // namespace weir
