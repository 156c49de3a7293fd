#include "proxy/auth/ldap_check.h"

#include <ldap.h>
#include <poll.h>
#include <sys/time.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>

#include <spdlog/fmt/fmt.h>

namespace weir {

namespace {

using Kind = PasswordAnswer::Kind;

constexpr int kStepSeconds = 5;  // connecting, and each answer
constexpr std::chrono::seconds kConnectionMax{10};

struct Unbind {
    void operator()(LDAP* ld) const { ldap_unbind_ext_s(ld, nullptr, nullptr); }
};
using Connection = std::unique_ptr<LDAP, Unbind>;

PasswordAnswer failed(std::string_view what, int status) {
    return {.kind = Kind::Failed, .why = fmt::format("{}: {}", what, ldap_err2string(status))};
}

// libldap's own limits do not concern the TLS handshake, in which it would try to read again and
// again. So a layer below TLS waits for the socket, and ends what takes too long.
class TimedSocket {
  public:
    explicit TimedSocket(std::chrono::seconds limit)
        : until_(std::chrono::steady_clock::now() + limit) {
        callbacks_.lc_add = [](LDAP*, Sockbuf* buffer, LDAPURLDesc*, sockaddr*, ldap_conncb* self) {
            return ber_sockbuf_add_io(buffer, &kLayer, kLevel, self->lc_arg);
        };
        callbacks_.lc_del = [](LDAP*, Sockbuf*, ldap_conncb*) {};
        callbacks_.lc_arg = this;
    }
    TimedSocket(const TimedSocket&) = delete;
    TimedSocket& operator=(const TimedSocket&) = delete;

    // For LDAP_OPT_CONNECT_CB; this object has to live as long as the connection.
    ldap_conncb* callbacks() { return &callbacks_; }

  private:
    // True: try again. False: the time is over, or it is no time that is wanting.
    bool wait(Sockbuf_IO_Desc* layer, short event) const {
        if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
        ber_socket_t fd = -1;
        ber_sockbuf_ctrl(layer->sbiod_sb, LBER_SB_OPT_GET_FD, &fd);
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            until_ - std::chrono::steady_clock::now());
        pollfd waits{fd, event, 0};
        if (left.count() > 0 && poll(&waits, 1, static_cast<int>(left.count())) > 0) return true;
        errno = ETIMEDOUT;
        return false;
    }
    static const TimedSocket& of(Sockbuf_IO_Desc* layer) {
        return *static_cast<TimedSocket*>(layer->sbiod_pvt);
    }
    static ber_slen_t read(Sockbuf_IO_Desc* layer, void* into, ber_len_t bytes) {
        while (true) {
            const ber_slen_t n = LBER_SBIOD_READ_NEXT(layer, into, bytes);
            if (n >= 0) return n;
            if (!of(layer).wait(layer, POLLIN)) return errno == ETIMEDOUT ? 0 : n;  // 0: the end
        }
    }
    static ber_slen_t write(Sockbuf_IO_Desc* layer, void* from, ber_len_t bytes) {
        while (true) {
            const ber_slen_t n = LBER_SBIOD_WRITE_NEXT(layer, from, bytes);
            if (n >= 0 || !of(layer).wait(layer, POLLOUT)) return n;
        }
    }
    static int set_up(Sockbuf_IO_Desc* layer, void* self) {
        layer->sbiod_pvt = self;
        return 0;
    }
    static int control(Sockbuf_IO_Desc* layer, int option, void* value) {
        return LBER_SBIOD_CTRL_NEXT(layer, option, value);
    }
    static int nothing(Sockbuf_IO_Desc*) { return 0; }

    static Sockbuf_IO kLayer;
    // Above the socket's own layer, which comes later, and below TLS.
    static constexpr int kLevel = LBER_SBIOD_LEVEL_TRANSPORT - 1;

    const std::chrono::steady_clock::time_point until_;
    ldap_conncb callbacks_{};
};

Sockbuf_IO TimedSocket::kLayer{set_up, nothing, control, read, write, nothing};

// libldap makes its global state with its first call, which may not run beside another.
void make_global_state() {
    [[maybe_unused]] static const int status = [] {
        int version = 0;
        return ldap_get_option(nullptr, LDAP_OPT_PROTOCOL_VERSION, &version);
    }();
}

// Connected by the first request. Fills `problem` when there is none.
Connection connect(const LdapOptions& options, TimedSocket& socket, PasswordAnswer& problem) {
    make_global_state();
    LDAP* raw = nullptr;
    const std::string uris = ldap_uris(options);
    if (const int status = ldap_initialize(&raw, uris.c_str()); status != LDAP_SUCCESS) {
        problem = failed("could not initialize LDAP for " + uris, status);
        return nullptr;
    }
    Connection ld(raw);
    const int version = LDAP_VERSION3;
    const timeval limit{kStepSeconds, 0};
    const bool is_set =
        ldap_set_option(raw, LDAP_OPT_PROTOCOL_VERSION, &version) == LDAP_OPT_SUCCESS &&
        ldap_set_option(raw, LDAP_OPT_NETWORK_TIMEOUT, &limit) == LDAP_OPT_SUCCESS &&
        ldap_set_option(raw, LDAP_OPT_TIMEOUT, &limit) == LDAP_OPT_SUCCESS &&
        ldap_set_option(raw, LDAP_OPT_CONNECT_CB, socket.callbacks()) == LDAP_OPT_SUCCESS &&
        // Other servers are not for this one to name, and each would have its own time to wait.
        ldap_set_option(raw, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == LDAP_OPT_SUCCESS &&
        ldap_set_option(raw, LDAP_OPT_RESTART, LDAP_OPT_ON) == LDAP_OPT_SUCCESS;
    if (!is_set) {
        problem = failed("could not set LDAP options", LDAP_OTHER);
        return nullptr;
    }
    if (!options.starts_tls) return ld;
    if (const int status = ldap_start_tls_s(raw, nullptr, nullptr); status != LDAP_SUCCESS) {
        problem = failed("could not start LDAP TLS session", status);
        return nullptr;
    }
    return ld;
}

int bind_as(LDAP* ld, const std::string& dn, std::string_view password) {
    // The library copies it into its request and does not write to it.
    berval secret{password.size(), const_cast<char*>(password.data())};
    return ldap_sasl_bind_s(ld, dn.c_str(), LDAP_SASL_SIMPLE, &secret, nullptr, nullptr, nullptr);
}

int scope_of(const LdapOptions& options) {
    switch (options.scope) {
        case LdapScope::Base: return LDAP_SCOPE_BASE;
        case LdapScope::One: return LDAP_SCOPE_ONELEVEL;
        case LdapScope::Subtree: return LDAP_SCOPE_SUBTREE;
    }
    return LDAP_SCOPE_SUBTREE;
}

// The DN of the one entry that the filter fits; an empty one fits anonymously and is refused.
std::optional<std::string> search(LDAP* ld, const PasswordQuestion& question,
                                  PasswordAnswer& problem) {
    const LdapOptions& options = *question.ldap;
    if (const int status = bind_as(ld, options.bind_dn, options.bind_password);
        status != LDAP_SUCCESS) {
        problem = failed(fmt::format("could not perform initial LDAP bind for ldapbinddn \"{}\"",
                                     options.bind_dn),
                         status);
        return {};
    }
    const std::string filter = ldap_filter(options, question.user);
    char no_attributes[] = LDAP_NO_ATTRS;
    char* wanted[] = {no_attributes, nullptr};
    timeval limit{kStepSeconds, 0};
    LDAPMessage* raw = nullptr;
    const int status =
        ldap_search_ext_s(ld, options.base_dn.c_str(), scope_of(options), filter.c_str(), wanted, 0,
                          nullptr, nullptr, &limit, 2, &raw);
    const std::unique_ptr<LDAPMessage, decltype(&ldap_msgfree)> found(raw, ldap_msgfree);
    // More than it was allowed to give: not one, then.
    if (status != LDAP_SUCCESS && status != LDAP_SIZELIMIT_EXCEEDED) {
        problem = failed(fmt::format("could not search LDAP for filter \"{}\"", filter), status);
        return {};
    }
    const int count = raw == nullptr ? 0 : ldap_count_entries(ld, raw);
    if (count != 1) {
        problem = {.kind = Kind::Wrong,
                   .why = fmt::format("LDAP search for filter \"{}\" returned {}", filter,
                                      count == 0 ? "no entries" : "more than one entry")};
        return {};
    }
    char* dn = ldap_get_dn(ld, ldap_first_entry(ld, raw));
    std::string out = dn == nullptr ? "" : dn;
    ldap_memfree(dn);
    if (!out.empty()) return out;
    problem = failed("could not get the DN of the entry found", LDAP_OTHER);
    return {};
}

}  // namespace

PasswordAnswer check_by_ldap(const PasswordQuestion& question) {
    PasswordAnswer problem;
    if (question.password.empty()) return {.kind = Kind::Wrong, .why = "the password is empty"};
    const LdapOptions& options = *question.ldap;
    std::string dn = ldap_bind_name(options, question.user);
    if (options.searches()) {
        TimedSocket socket(kConnectionMax);
        const Connection searcher = connect(options, socket, problem);
        if (searcher == nullptr) return problem;
        std::optional<std::string> found = search(searcher.get(), question, problem);
        if (!found) return problem;
        dn = std::move(*found);
    }
    // On a connection of its own: what was told under another name must not matter to this bind.
    TimedSocket socket(kConnectionMax);
    const Connection ld = connect(options, socket, problem);
    if (ld == nullptr) return problem;
    const int status = bind_as(ld.get(), dn, question.password.view());
    if (status == LDAP_SUCCESS) return {.kind = Kind::Right};
    const bool is_refused = status == LDAP_INVALID_CREDENTIALS || status == LDAP_NO_SUCH_OBJECT ||
                            status == LDAP_INVALID_DN_SYNTAX || status == LDAP_INAPPROPRIATE_AUTH;
    return {.kind = is_refused ? Kind::Wrong : Kind::Failed,
            .why = fmt::format("LDAP login failed for \"{}\": {}", dn, ldap_err2string(status))};
}

}  // namespace weir
