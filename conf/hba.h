// auth_hba_file: which method a client has to use to prove who it is, by the way it comes, the
// database and the user it names. The first rule that matches counts; with none it is turned away.
// The language is that of PostgreSQL's pg_hba.conf (documentation, "The pg_hba.conf File"; files,
// quotes, @FILE and include: auth_lines.h). What it cannot say here is an error with a remedy:
// groups of PostgreSQL (+group, samerole) and host names, about which nobody can be asked, GSSAPI,
// and methods that there are not. Reading is all or nothing: a line is never skipped, it might have
// been the one that shuts the door. Thread: any (values, pure functions).
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "conf/auth_lines.h"
#include "conf/auth_method.h"
#include "conf/local_networks.h"
#include "conf/match_list.h"
#include "conf/regex.h"
#include "protocol/message/startup.h"

namespace weir {

// A list of names in a rule.
class HbaNames {
  public:
    // Keywords that stand for themselves are the caller's. Error: a regular expression is wrong.
    Status add(const AuthToken& token);
    [[nodiscard]] bool contains(std::string_view name) const;

  private:
    std::unordered_set<std::string> names_;
    std::vector<Regex> expressions_;
};

enum class HbaConnection : uint8_t { Local, Host, HostSsl, HostNoSsl };
enum class HbaAddress : uint8_t { All, SameHost, SameNet, Network };
enum class ClientCertificate : uint8_t { NotAsked, VerifyCa, VerifyFull };

// One client, as rules see it.
struct HbaClient {
    bool is_unix = false;
    bool is_tls = false;
    AddressBytes address;
    std::string_view database;  // as it names them
    std::string_view user;
    Replication replication = Replication::None;
};

struct HbaRule {
    HbaConnection connection = HbaConnection::Local;
    bool is_all_databases = false;
    bool is_same_user = false;
    bool is_replication = false;  // that of a whole server; one of a database is asked by its name
    HbaNames databases;
    bool is_all_users = false;
    HbaNames users;
    HbaAddress where = HbaAddress::All;
    AddressBytes network;  // already masked
    std::array<uint8_t, 16> mask{};
    AuthMethod method = AuthMethod::Reject;
    std::string map;  // of auth_ident_file; empty = the names have to be the same
    ClientCertificate certificate = ClientCertificate::NotAsked;
    AuthOptions options;  // of ldap and pam
    IniPlace at;

    [[nodiscard]] bool matches(const HbaClient& client, const LocalNetworks& local) const;
};

struct HbaRules {
    std::vector<HbaRule> rules;
    LocalNetworks local;  // when a rule asks for them

    // The first that matches; null = none does.
    [[nodiscard]] const HbaRule* find(const HbaClient& client) const;
    // Does a rule use the method?
    [[nodiscard]] bool uses(AuthMethod method) const;
};

// Reads `path` and all it includes. Every error is appended.
HbaRules read_hba(const std::string& path, const AuthFiles& files,
                  std::vector<ConfigError>& errors);

}  // namespace weir
