#include "conf/tls_options.h"

#include <fstream>
#include <utility>

namespace weir {

namespace {

using Text = std::string GlobalConfig::*;

// The options of one side. Null: the side has no such option.
struct SideOptions {
    const char* prefix;
    SslMode GlobalConfig::*sslmode;
    Text ca_file;
    Text cert_file;
    Text key_file;
    Text protocols;
    Text ciphers;
    Text tls13_ciphers;
    Text dheparams = nullptr;
    Text ecdhcurve = nullptr;
};

using G = GlobalConfig;

constexpr SideOptions kClientSide{
    .prefix = "client_tls",
    .sslmode = &G::client_tls_sslmode,
    .ca_file = &G::client_tls_ca_file,
    .cert_file = &G::client_tls_cert_file,
    .key_file = &G::client_tls_key_file,
    .protocols = &G::client_tls_protocols,
    .ciphers = &G::client_tls_ciphers,
    .tls13_ciphers = &G::client_tls13_ciphers,
    .dheparams = &G::client_tls_dheparams,
    .ecdhcurve = &G::client_tls_ecdhcurve,
};

constexpr SideOptions kServerSide{
    .prefix = "server_tls",
    .sslmode = &G::server_tls_sslmode,
    .ca_file = &G::server_tls_ca_file,
    .cert_file = &G::server_tls_cert_file,
    .key_file = &G::server_tls_key_file,
    .protocols = &G::server_tls_protocols,
    .ciphers = &G::server_tls_ciphers,
    .tls13_ciphers = &G::server_tls13_ciphers,
};

TlsVerify verify_of(SslMode mode) {
    switch (mode) {
        case SslMode::VerifyCa: return TlsVerify::Authority;
        case SslMode::VerifyFull: return TlsVerify::Name;
        default: return TlsVerify::Nothing;
    }
}

// Does the kernel have the module that encrypts for sockets (CONFIG_TLS)?
bool is_kernel_able() {
    std::ifstream list("/proc/sys/net/ipv4/tcp_available_ulp");
    for (std::string name; list >> name;) {
        if (name == "tls") return true;
    }
    return false;
}

Status read_into(TlsFile& file, const std::string& option, const std::string& path,
                 const FileReader& reader) {
    file.option = option;
    file.path = path;
    if (path.empty()) return {};
    Result<std::string> text = reader(path);
    if (!text) return fail("F0000", option + " \"" + path + "\": " + text.error().message);
    file.content = SecretString::take(*text);
    return {};
}

}  // namespace

Result<std::optional<TlsSettings>> tls_settings(TlsSide side, const GlobalConfig& global,
                                                const FileReader& reader) {
    const SideOptions& options = side == TlsSide::Accept ? kClientSide : kServerSide;
    const SslMode mode = global.*options.sslmode;
    if (mode == SslMode::Disable) return std::optional<TlsSettings>();
    TlsSettings settings;
    settings.side = side;
    settings.prefix = options.prefix;
    settings.verify = verify_of(mode);
    settings.protocols = global.*options.protocols;
    settings.ciphers = global.*options.ciphers;
    settings.tls13_ciphers = global.*options.tls13_ciphers;
    if (options.dheparams != nullptr) settings.dheparams = global.*options.dheparams;
    if (options.ecdhcurve != nullptr) settings.ecdhcurve = global.*options.ecdhcurve;
    settings.may_use_kernel = is_kernel_able();
    // Authorities that nothing is verified by are not asked for.
    const bool verifies = settings.verify != TlsVerify::Nothing;
    const std::string& prefix = settings.prefix;
    Status done = read_into(settings.authorities, prefix + "_ca_file",
                            verifies ? global.*options.ca_file : std::string(), reader);
    if (done)
        done = read_into(settings.certificate, prefix + "_cert_file", global.*options.cert_file,
                         reader);
    if (done)
        done = read_into(settings.key, prefix + "_key_file", global.*options.key_file, reader);
    if (!done) return tl::unexpected<Error>(done.error());
    return std::optional<TlsSettings>(std::move(settings));
}

}  // namespace weir
