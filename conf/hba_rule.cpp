#include "conf/hba_rule.h"

#include <arpa/inet.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "conf/ldap_options.h"
#include "conf/value.h"
#include "conf/words.h"

namespace weir {

namespace {

constexpr Word kConnections[] = {
    {"local", static_cast<int>(HbaConnection::Local)},
    {"host", static_cast<int>(HbaConnection::Host)},
    {"hostssl", static_cast<int>(HbaConnection::HostSsl)},
    {"hostnossl", static_cast<int>(HbaConnection::HostNoSsl)},
    {"hostnogssenc", static_cast<int>(HbaConnection::Host)},  // nobody's is encrypted by GSSAPI
};

// Exactly as written, unlike the words of options: in PostgreSQL, too, ALL is a name.
std::optional<int> find_word(const AuthToken& token, std::span<const Word> words) {
    for (const Word& word : words) {
        if (token.is(word.text)) return word.value;
    }
    return std::nullopt;
}

std::string join_words(std::span<const Word> words) {
    std::string out;
    for (const Word& word : words)
        out.append(out.empty() ? "" : ", ").append(word.text);
    return out;
}

// Reads one line into a rule.
class RuleReader {
  public:
    explicit RuleReader(const AuthLine& line) : line_(line) { rule_.at = line.at; }

    Result<HbaRule> read() {
        using Step = Status (RuleReader::*)();
        constexpr Step kSteps[] = {&RuleReader::read_connection,
                                   &RuleReader::read_databases,
                                   &RuleReader::read_users,
                                   &RuleReader::read_address,
                                   &RuleReader::read_method,
                                   &RuleReader::read_options,
                                   &RuleReader::check};
        for (const Step step : kSteps) {
            if (const Status done = (this->*step)(); !done)
                return tl::unexpected<Error>(done.error());
        }
        return std::move(rule_);
    }

  private:
    static tl::unexpected<Error> wrong(std::string text) { return fail("22023", std::move(text)); }

    // The next field, which has to be one word.
    Result<AuthToken> next_word(const char* what) {
        if (next_ == line_.fields.size()) {
            return wrong(
                fmt::format("the line ends before its {}; the form is TYPE DATABASE USER "
                            "[ADDRESS] METHOD [OPTIONS]",
                            what));
        }
        const AuthField& field = line_.fields[next_++];
        if (field.size() != 1) {
            return wrong(fmt::format("the {} cannot be a list; write a line for each", what));
        }
        return field.front();
    }

    Result<AuthField> next_list(const char* what) {
        if (next_ == line_.fields.size()) {
            return wrong(
                fmt::format("the line ends before its {}; the form is TYPE DATABASE USER "
                            "[ADDRESS] METHOD [OPTIONS]",
                            what));
        }
        return line_.fields[next_++];
    }

    Status read_connection() {
        const Result<AuthToken> word = next_word("type");
        if (!word) return tl::unexpected<Error>(word.error());
        if (word->is("hostgssenc")) {
            return wrong(
                "no connection is encrypted by GSSAPI here, so the line would never "
                "match; remove it");
        }
        const std::optional<int> found = find_word(*word, kConnections);
        if (!found) {
            return wrong(
                fmt::format("\"{}\" is no type of connection; write one of {}, or "
                            "include",
                            word->text, join_words(kConnections)));
        }
        rule_.connection = static_cast<HbaConnection>(*found);
        return {};
    }

    Status read_databases() {
        const Result<AuthField> field = next_list("databases");
        if (!field) return tl::unexpected<Error>(field.error());
        for (const AuthToken& token : *field) {
            if (token.is("all")) {
                rule_.is_all_databases = true;
            } else if (token.is("sameuser")) {
                rule_.is_same_user = true;
            } else if (token.is("replication")) {
                rule_.is_replication = true;
            } else if (token.is("samerole") || token.is("samegroup")) {
                return wrong(
                    fmt::format("{} needs to know the groups of PostgreSQL, which cannot "
                                "be asked here; name the databases, or write sameuser",
                                token.text));
            } else if (Status added = rule_.databases.add(token); !added) {
                return added;
            }
        }
        return {};
    }

    Status read_users() {
        const Result<AuthField> field = next_list("users");
        if (!field) return tl::unexpected<Error>(field.error());
        for (const AuthToken& token : *field) {
            if (token.is("all")) {
                rule_.is_all_users = true;
            } else if (!token.is_quoted && token.text.starts_with('+')) {
                return wrong(
                    fmt::format("who belongs to \"{}\" cannot be asked of PostgreSQL "
                                "here; name the users, or list them in a file and write "
                                "@FILE",
                                token.text.substr(1)));
            } else if (Status added = rule_.users.add(token); !added) {
                return added;
            }
        }
        return {};
    }

    // ---- the address ----

    Status read_address() {
        if (rule_.connection == HbaConnection::Local) return {};
        const Result<AuthToken> word = next_word("address");
        if (!word) return tl::unexpected<Error>(word.error());
        if (word->is("all")) return {};
        if (word->is("samehost") || word->is("samenet")) {
            rule_.where = word->is("samehost") ? HbaAddress::SameHost : HbaAddress::SameNet;
            return {};
        }
        rule_.where = HbaAddress::Network;
        const size_t slash = word->text.find('/');
        Result<AddressBytes> address = parse_ip(word->text.substr(0, slash));
        if (!address) return tl::unexpected<Error>(address.error());
        if (slash != std::string::npos) {
            if (Status read = read_prefix(word->text.substr(slash + 1), *address); !read)
                return read;
        } else if (Status read = read_mask(*address); !read) {
            return read;
        }
        rule_.network = masked(*address, rule_.mask);
        return {};
    }

    // As it is written: an IPv4 address in IPv6 clothes stays of family 6.
    static Result<AddressBytes> parse_ip(const std::string& text) {
        AddressBytes out;
        if (inet_pton(AF_INET, text.c_str(), out.bytes.data()) == 1) {
            out.family = 4;
        } else if (inet_pton(AF_INET6, text.c_str(), out.bytes.data()) == 1) {
            out.family = 6;
        } else {
            return wrong(
                fmt::format("\"{}\" is no address, and names of hosts are not looked up; "
                            "write a network such as 10.0.0.0/8 or ::1/128, or all, "
                            "samehost or samenet",
                            text));
        }
        return out;
    }

    Status read_prefix(const std::string& text, AddressBytes& address) {
        const Result<int64_t> prefix = parse_integer(text, 10, 0, address.bits());
        if (!prefix) {
            return wrong(fmt::format("the prefix of the network is {}", prefix.error().message));
        }
        int bits = static_cast<int>(*prefix);
        // Clients that come as ::ffff:1.2.3.4 are taken for the IPv4 ones that they are.
        const AddressBytes v4 = AddressBytes::from(std::span<const uint8_t, 16>(address.bytes));
        if (address.family == 6 && v4.family == 4 && bits >= 96) {
            address = v4;
            bits -= 96;
        }
        for (size_t byte = 0; byte < rule_.mask.size(); ++byte) {
            const int kept = std::clamp(bits - static_cast<int>(byte) * 8, 0, 8);
            rule_.mask[byte] = static_cast<uint8_t>(0xff00 >> kept);
        }
        return {};
    }

    Status read_mask(const AddressBytes& address) {
        if (next_ == line_.fields.size()) {
            return wrong(
                "behind the address has to stand its mask; write it, or the address as "
                "ADDRESS/BITS");
        }
        const Result<AuthToken> word = next_word("mask");
        if (!word) return tl::unexpected<Error>(word.error());
        const Result<AddressBytes> mask = parse_ip(word->text);
        if (!mask || mask->family != address.family) {
            return wrong(
                fmt::format("\"{}\" is no mask for the address in front of it; write one "
                            "such as 255.255.255.0, or the address as ADDRESS/BITS",
                            word->text));
        }
        rule_.mask = mask->bytes;
        return {};
    }

    // ---- the method ----

    Status read_method() {
        const Result<AuthToken> word = next_word("method");
        if (!word) return tl::unexpected<Error>(word.error());
        const std::optional<int> found = find_word(*word, kHbaMethodWords);
        if (!found) {
            return wrong(fmt::format("\"{}\" is no method that there is; write one of {}",
                                     word->text, join_words(kHbaMethodWords)));
        }
        rule_.method = static_cast<AuthMethod>(*found);
        return {};
    }

    Status read_options() {
        for (; next_ < line_.fields.size(); ++next_) {
            for (const AuthToken& token : line_.fields[next_]) {
                const size_t equals = token.text.find('=');
                if (equals == std::string::npos || equals == 0) {
                    // Not quoted: it might be part of a password.
                    return wrong(
                        "an option has to be of the form NAME=VALUE; put values with "
                        "blanks or commas into quotes, as NAME=\"VALUE\"");
                }
                const Status read =
                    read_option(token.text.substr(0, equals), token.text.substr(equals + 1));
                if (!read) return read;
            }
        }
        if (rule_.method != AuthMethod::Ldap || rule_.options.empty()) return {};
        const Result<LdapOptions> options = make_ldap_options(rule_.options);
        return options ? Status() : wrong(options.error().message);
    }

    Status read_option(const std::string& name, const std::string& value) {
        if (std::find(seen_.begin(), seen_.end(), name) != seen_.end()) {
            return wrong(fmt::format("the option {} stands there twice; remove one", name));
        }
        seen_.push_back(name);
        if (name == "map") return read_map(value);
        if (name == "clientcert") return read_client_certificate(value);
        if (name == "clientname") {
            if (value == "CN" && rule_.method == AuthMethod::Cert) return {};
            return wrong("clientname can only be CN, with the method cert; remove the option");
        }
        const bool is_right = (rule_.method == AuthMethod::Ldap && name.starts_with("ldap")) ||
                              (rule_.method == AuthMethod::Pam && name == "pamservice");
        if (is_right) {
            rule_.options.emplace_back(name, value);
            return {};
        }
        return wrong(fmt::format("the option {} does not belong to the method {}; remove it", name,
                                 word_text(static_cast<int>(rule_.method), kHbaMethodWords)));
    }

    Status read_map(const std::string& value) {
        if (rule_.method != AuthMethod::Peer && rule_.method != AuthMethod::Cert) {
            return wrong("map= belongs to the methods peer and cert; remove it");
        }
        if (value.empty()) return wrong("map= names no map; write one of auth_ident_file");
        rule_.map = value;
        return {};
    }

    Status read_client_certificate(const std::string& value) {
        if (rule_.connection != HbaConnection::HostSsl) {
            return wrong(
                "clientcert= can only be asked for by lines of the type hostssl; change "
                "the type, or remove it");
        }
        if (value == "verify-full") {
            rule_.certificate = ClientCertificate::VerifyFull;
        } else if (value == "verify-ca" && rule_.method != AuthMethod::Cert) {
            rule_.certificate = ClientCertificate::VerifyCa;
        } else {
            return wrong(
                "clientcert= has to be verify-full or, but for the method cert, "
                "verify-ca; correct it");
        }
        return {};
    }

    // Rules that could never let anybody in.
    Status check() {
        if (rule_.method == AuthMethod::Peer && rule_.connection != HbaConnection::Local) {
            return wrong(
                "peer asks the system who is at the other end of a Unix socket; use it "
                "in lines of the type local only");
        }
        const bool has_no_tls = rule_.connection == HbaConnection::Local ||
                                rule_.connection == HbaConnection::HostNoSsl;
        if (rule_.method == AuthMethod::Cert && has_no_tls) {
            return wrong("cert needs a TLS connection; use it in lines of the type hostssl");
        }
        return {};
    }

    const AuthLine& line_;
    size_t next_ = 0;  // field
    HbaRule rule_;
    std::vector<std::string> seen_;  // options
};

}  // namespace

Result<HbaRule> read_hba_rule(const AuthLine& line) {
    return RuleReader(line).read();
}

}  // namespace weir
