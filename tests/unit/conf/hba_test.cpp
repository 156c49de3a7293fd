// Goal: rules let in whom PostgreSQL's documentation says, and a line that cannot be one is told.
// Method: small files; for a client the line of its rule, or for a file its errors.
#include "conf/hba.h"

#include <doctest/doctest.h>

#include <map>

namespace weir::hba_test {
namespace {

using Files = std::map<std::string, std::string>;

AuthFiles files_of(const Files& files) {
    return {[files](const std::string& path) -> Result<std::string> {
                const auto it = files.find(path);
                if (it == files.end()) return fail("58P01", "No such file or directory");
                return it->second;
            },
            read_directory};
}

struct Read {
    HbaRules rules;
    std::string errors;
};

Read read(const std::string& text, Files files = {}) {
    files["hba"] = text;
    std::vector<ConfigError> found;
    Read out{read_hba("hba", files_of(files), found), {}};
    for (const ConfigError& error : found)
        out.errors += to_string(error) + "\n";
    return out;
}

// As a rule for that very address has it.
AddressBytes address(const std::string& text) {
    const std::string bits = text.find(':') == std::string::npos ? "/32" : "/128";
    const Read one = read("host all all " + text + bits + " trust");
    REQUIRE(one.errors.empty());
    return one.rules.rules.front().network;
}

// A client by TCP, from `from`; "unix" the Unix socket; "tls " in front: encrypted.
HbaClient client(std::string from, std::string_view database, std::string_view user) {
    HbaClient out;
    out.is_tls = from.starts_with("tls ");
    if (out.is_tls) from.erase(0, 4);
    out.is_unix = from == "unix";
    if (!out.is_unix) out.address = address(from);
    out.database = database;
    out.user = user;
    return out;
}

// The line of its rule; 0 = none.
int line_for(const Read& read, const HbaClient& who) {
    CHECK(read.errors.empty());
    const HbaRule* rule = read.rules.find(who);
    return rule == nullptr ? 0 : rule->at.line;
}

int line_for(const std::string& text, const HbaClient& who) {
    return line_for(read(text), who);
}

bool matches(const std::string& rule, const HbaClient& who) {
    return line_for(rule, who) == 1;
}

TEST_CASE("the first rule that matches counts, and there may be none") {
    const std::string text =
        "local all all trust\n"
        "host app u 10.0.0.0/8 md5\n"
        "host app all 10.0.0.0/8 reject\n"
        "host all all 0.0.0.0/0 scram-sha-256\n";
    CHECK(line_for(text, client("unix", "x", "y")) == 1);
    CHECK(line_for(text, client("10.1.2.3", "app", "u")) == 2);
    CHECK(line_for(text, client("10.1.2.3", "app", "v")) == 3);
    CHECK(line_for(text, client("11.1.2.3", "app", "v")) == 4);
    CHECK(line_for(text, client("2001:db8::1", "app", "v")) == 0);
    CHECK(line_for("", client("unix", "x", "y")) == 0);
}

TEST_CASE("types of connections") {
    const std::string rest = " all all all trust";
    for (const char* type : {"host", "hostnossl", "hostssl", "hostnogssenc"}) {
        const std::string name = type;
        CHECK(matches(type + rest, client("10.0.0.1", "d", "u")) == (name != "hostssl"));
        CHECK(matches(type + rest, client("tls 10.0.0.1", "d", "u")) == (name != "hostnossl"));
        CHECK_FALSE(matches(type + rest, client("unix", "d", "u")));
    }
    CHECK_FALSE(matches("local all all trust", client("10.0.0.1", "d", "u")));
}

TEST_CASE("databases") {
    const auto db = [](const std::string& field, std::string_view database) {
        return matches("local " + field + " all trust", client("unix", database, "u"));
    };
    CHECK(db("all", "x"));
    CHECK(db("a,b,c", "b"));
    CHECK_FALSE(db("a,b,c", "d"));
    CHECK_FALSE(db("a", "A"));
    CHECK(db("sameuser", "u"));
    CHECK_FALSE(db("sameuser", "v"));
    CHECK(db("x,sameuser", "u"));
    CHECK_FALSE(db("\"all\"", "x"));
    CHECK(db("\"all\"", "all"));
    CHECK(db("\"sameuser\"", "sameuser"));
    CHECK(db("ALL", "ALL"));
    CHECK_FALSE(db("ALL", "x"));
    CHECK(db("\"my db\"", "my db"));
    CHECK(db("/^db\\d+$", "db12"));
    CHECK_FALSE(db("/^db\\d+$", "db"));
    CHECK(db("\"/^(a|b),c$\"", "a,c"));
    CHECK(db("/mid", "a mid b"));
    CHECK_FALSE(db("replication", "replication"));
    CHECK(db("\"replication\"", "replication"));
}

TEST_CASE("users") {
    const auto user = [](const std::string& field, std::string_view name) {
        return matches("local all " + field + " trust", client("unix", "d", name));
    };
    CHECK(user("all", "x"));
    CHECK(user("a,b", "b"));
    CHECK_FALSE(user("a,b", "c"));
    CHECK(user("sameuser", "sameuser"));
    CHECK_FALSE(user("sameuser", "d"));
    CHECK(user("replication", "replication"));
    CHECK(user("\"+x\"", "+x"));
    CHECK(user("/^svc_", "svc_a"));
    CHECK_FALSE(user("/^svc_", "a_svc_"));
    CHECK_FALSE(user("\"all\"", "x"));
}

TEST_CASE("physical replication is only let in by name, logical replication as its database") {
    HbaClient who = client("unix", "d", "u");
    who.replication = Replication::Physical;
    CHECK_FALSE(matches("local all all trust", who));
    CHECK_FALSE(matches("local d all trust", who));
    CHECK(matches("local replication all trust", who));
    CHECK(matches("local d,replication u trust", who));
    CHECK_FALSE(matches("local \"replication\" all trust", who));
    who.replication = Replication::Logical;
    CHECK(matches("local all all trust", who));
    CHECK(matches("local d all trust", who));
    CHECK_FALSE(matches("local replication all trust", who));
}

TEST_CASE("addresses") {
    const auto from = [](const std::string& field, const std::string& ip) {
        return matches("host all all " + field + " trust", client(ip, "d", "u"));
    };
    CHECK(from("all", "10.0.0.1"));
    CHECK(from("all", "::1"));
    CHECK(from("10.0.0.0/8", "10.255.0.1"));
    CHECK_FALSE(from("10.0.0.0/8", "11.0.0.1"));
    CHECK(from("10.1.2.3/8", "10.9.9.9"));  // bits behind the mask do not matter
    CHECK(from("0.0.0.0/0", "1.2.3.4"));
    CHECK_FALSE(from("0.0.0.0/0", "::1"));
    CHECK(from("::/0", "2001:db8::1"));
    CHECK_FALSE(from("::/0", "1.2.3.4"));
    CHECK(from("2001:db8::/33", "2001:db8:7fff::1"));
    CHECK_FALSE(from("2001:db8::/33", "2001:db8:8000::1"));
    CHECK(from("10.0.0.1 255.255.255.255", "10.0.0.1"));
    CHECK_FALSE(from("10.0.0.1 255.255.255.255", "10.0.0.2"));
    CHECK(from("10.0.0.9 255.0.255.0", "10.77.0.1"));  // any mask
    CHECK_FALSE(from("10.0.0.9 255.0.255.0", "10.77.1.1"));
    CHECK(from("2001:db8:: ffff:ffff::", "2001:db8:1::"));
    CHECK(from("::ffff:10.0.0.0/104", "10.2.3.4"));
    CHECK_FALSE(from("::ffff:10.0.0.0/104", "11.2.3.4"));
}

TEST_CASE("samehost and samenet are what the system has") {
    Read same = read("host all all samehost trust\nhost all all samenet trust\n");
    REQUIRE(same.errors.empty());
    CHECK(same.rules.local.is_same_host(address("127.0.0.1")));  // every machine has it
    same.rules.local.interfaces.clear();
    CHECK(line_for(same, client("10.1.0.7", "d", "u")) == 0);
    LocalNetwork network;
    network.address = address("10.1.0.7");
    network.mask = {255, 255};
    same.rules.local.interfaces.push_back(network);
    CHECK(line_for(same, client("10.1.0.7", "d", "u")) == 1);
    CHECK(line_for(same, client("10.1.9.9", "d", "u")) == 2);
    CHECK(line_for(same, client("10.2.0.7", "d", "u")) == 0);
    CHECK(line_for(same, client("::1", "d", "u")) == 0);
}

TEST_CASE("methods and their options") {
    const auto rule = [](const std::string& text) {
        const Read one = read(text);
        CHECK(one.errors.empty());
        REQUIRE(one.rules.rules.size() == 1);
        return one.rules.rules.front();
    };
    const std::pair<const char*, AuthMethod> methods[] = {
        {"trust", AuthMethod::Trust}, {"reject", AuthMethod::Reject},
        {"md5", AuthMethod::Md5},     {"password", AuthMethod::Plain},
        {"cert", AuthMethod::Cert},   {"scram-sha-256", AuthMethod::ScramSha256},
        {"ldap", AuthMethod::Ldap},   {"pam", AuthMethod::Pam},
    };
    for (const auto& [word, method] : methods)
        CHECK(rule("host all all all " + std::string(word)).method == method);
    CHECK(rule("local all all peer map=people").map == "people");
    CHECK(rule("local all all peer").map.empty());
    CHECK(rule("hostssl all all all cert map=\"my map\" clientname=CN").map == "my map");
    CHECK(rule("hostssl all all all md5 clientcert=verify-ca").certificate ==
          ClientCertificate::VerifyCa);
    CHECK(rule("hostssl all all all cert clientcert=verify-full").certificate ==
          ClientCertificate::VerifyFull);
    const AuthOptions ldap = rule(
                                 "host all all all ldap ldapserver=a.b ldapprefix=\"cn=\" "
                                 "ldapsuffix=\", dc=example, dc=net\" ldapurl=\"ldap://x:7/\"")
                                 .options;
    CHECK(ldap == AuthOptions{{"ldapserver", "a.b"},
                              {"ldapprefix", "cn="},
                              {"ldapsuffix", ", dc=example, dc=net"},
                              {"ldapurl", "ldap://x:7/"}});
    CHECK(rule("local all all pam pamservice=weir").options == AuthOptions{{"pamservice", "weir"}});
    CHECK(read("host all all all md5").rules.uses(AuthMethod::Md5));
    CHECK_FALSE(read("host all all all md5").rules.uses(AuthMethod::Ldap));
}

TEST_CASE("lists of names come from files, and rules from included ones, with their own places") {
    const Read all =
        read("local @dbs @users trust\ninclude more\n",
             {{"dbs", "a,b\nc"}, {"users", "x\nall_of\n"}, {"more", "\nlocal all all md5"}});
    CHECK(line_for(all, client("unix", "c", "x")) == 1);
    CHECK(line_for(all, client("unix", "d", "x")) == 2);
    CHECK(all.rules.find(client("unix", "d", "x"))->at.file == "more");
    CHECK(line_for(read("local all @none reject\nlocal all all trust", {{"none", ""}}),
                   client("unix", "d", "x")) == 2);
}

TEST_CASE("what no rule can be is an error with the line and a remedy") {
    struct {
        const char* text;
        const char* error;  // contained
    } cases[] = {
        {"hosts all all all trust", "\"hosts\" is no type of connection; write one of local, host"},
        {"LOCAL all all trust", "\"LOCAL\" is no type"},
        {"\"local\" all all trust", "\"local\" is no type"},
        {"local,host all all trust", "the type cannot be a list; write a line for each"},
        {"hostgssenc all all all trust", "GSSAPI"},
        {"local", "the line ends before its databases; the form is TYPE DATABASE USER"},
        {"local all", "the line ends before its users"},
        {"local all all", "the line ends before its method"},
        {"host all all", "the line ends before its address"},
        {"host all all all", "the line ends before its method"},
        {"host all all 10.0.0.1", "behind the address has to stand its mask"},
        {"host all all 10.0.0.1 trust", "\"trust\" is no mask for the address"},
        {"host all all 10.0.0.1 ffff:: trust", "is no mask for the address"},
        {"host all all 10.0.0.1/33 trust", "the prefix of the network is out of range"},
        {"host all all 10.0.0.1/x trust", "the prefix of the network is not a whole number"},
        {"host all all 10.0.0.1/ trust", "the prefix of the network is not a whole number"},
        {"host all all ::1/129 trust", "out of range"},
        {"host all all localhost trust", "\"localhost\" is no address, and names of hosts"},
        {"host all all .example.com trust", "names of hosts are not looked up"},
        {"host all all 10.0.0/8 trust", "is no address"},
        {"host all all fe80::1%eth0/64 trust", "is no address"},
        {"host all all \"all\" trust", "is no address"},
        {"host all all 10.0.0.0/8,11.0.0.0/8 trust", "the address cannot be a list"},
        {"local samerole all trust", "samerole needs to know the groups of PostgreSQL"},
        {"local samegroup all trust", "samegroup needs"},
        {"local all +admins trust", "who belongs to \"admins\" cannot be asked"},
        {"local /( all trust", "the regular expression cannot be used: missing )"},
        {"local all / trust", "the regular expression is empty"},
        {"local all /a(?=b) trust", "the regular expression cannot be used"},
        {"local all all rejetc",
         "\"rejetc\" is no method that there is; write one of trust, reject"},
        {"local all all Trust", "\"Trust\" is no method"},
        {"local all all ident", "\"ident\" is no method"},
        {"local all all trust,md5", "the method cannot be a list"},
        {"local all all trust map=x", "map= belongs to the methods peer and cert"},
        {"local all all peer map=", "map= names no map"},
        {"local all all peer map=x map=y", "the option map stands there twice"},
        {"local all all peer people", "an option has to be of the form NAME=VALUE"},
        {"local all all peer =x", "an option has to be of the form NAME=VALUE"},
        {"local all all md5 ldapserver=x",
         "the option ldapserver does not belong to the method md5"},
        {"host all all all ldap pamservice=x", "does not belong to the method ldap"},
        {"host all all all pam pamx=x", "does not belong to the method pam"},
        {"host all all all ldap ldapserver=x", "add ldapprefix="},
        {"host all all all peer", "peer asks the system"},
        {"local all all cert", "cert needs a TLS connection"},
        {"hostnossl all all all cert", "cert needs a TLS connection"},
        {"host all all all md5 clientcert=verify-ca",
         "only be asked for by lines of the type hostssl"},
        {"hostssl all all all md5 clientcert=1", "clientcert= has to be verify-full or"},
        {"hostssl all all all cert clientcert=verify-ca", "clientcert= has to be verify-full or"},
        {"hostssl all all all cert clientname=DN", "clientname can only be CN"},
        {"hostssl all all all md5 clientname=CN", "clientname can only be CN"},
        {"local \"all all trust", "a quote is not closed"},
        {"local @nothere all trust", "cannot read \"nothere\""},
    };
    for (const auto& it : cases) {
        CAPTURE(it.text);
        const Read one = read(std::string("# first\n") + it.text + "\nlocal all all trust\n");
        CHECK(one.errors.starts_with("hba:2: "));
        CHECK(one.errors.find(it.error) != std::string::npos);
        CHECK(one.rules.rules.size() == 1);  // the caller takes none of them
    }
}

TEST_CASE("an error does not tell what might be part of a password") {
    const Read one = read("host all all all ldap ldapbindpasswd=my secret\n");
    CHECK(one.errors.find("secret") == std::string::npos);
}

TEST_CASE("every error of a file is told, and more rules than are sensible are one") {
    CHECK(read("x\ny\nlocal all all trust\nz\n").errors.find("hba:4: ") != std::string::npos);
    std::string many;
    for (int i = 0; i < 10'001; ++i)
        many += "local all all trust\n";
    CHECK(read(many).errors ==
          "hba:10001: more than 10000 rules; put the users of rules that are "
          "alike into one, or into a file and write @FILE\n");
}

}  // namespace
}  // namespace weir::hba_test
