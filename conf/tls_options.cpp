#include "conf/tls_options.h"

#include <fstream>
#include <utility>

namespace weir {

namespace {

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

struct Paths {
    std::string authorities, certificate, key;
};

Result<std::optional<TlsSettings>> with_files(TlsSettings settings, const Paths& paths,
                                              const FileReader& reader) {
    const std::string& prefix = settings.prefix;
    settings.may_use_kernel = is_kernel_able();
    // Authorities that nothing is verified by are not asked for.
    const bool verifies = settings.verify != TlsVerify::Nothing;
    Status done = read_into(settings.authorities, prefix + "_ca_file",
                            verifies ? paths.authorities : std::string(), reader);
    if (done)
        done = read_into(settings.certificate, prefix + "_cert_file", paths.certificate, reader);
    if (done) done = read_into(settings.key, prefix + "_key_file", paths.key, reader);
    if (!done) return tl::unexpected<Error>(done.error());
    return std::optional<TlsSettings>(std::move(settings));
}

}  // namespace

Result<std::optional<TlsSettings>> client_tls_settings(const GlobalConfig& global,
                                                       const FileReader& reader) {
    if (global.client_tls_sslmode == SslMode::Disable) return std::optional<TlsSettings>();
    TlsSettings settings;
    settings.side = TlsSide::Accept;
    settings.prefix = "client_tls";
    settings.verify = verify_of(global.client_tls_sslmode);
    settings.protocols = global.client_tls_protocols;
    settings.ciphers = global.client_tls_ciphers;
    settings.tls13_ciphers = global.client_tls13_ciphers;
    settings.dheparams = global.client_tls_dheparams;
    settings.ecdhcurve = global.client_tls_ecdhcurve;
    return with_files(
        std::move(settings),
        {global.client_tls_ca_file, global.client_tls_cert_file, global.client_tls_key_file},
        reader);
}

Result<std::optional<TlsSettings>> server_tls_settings(const GlobalConfig& global,
                                                       const FileReader& reader) {
    if (global.server_tls_sslmode == SslMode::Disable) return std::optional<TlsSettings>();
    TlsSettings settings;
    settings.side = TlsSide::Connect;
    settings.prefix = "server_tls";
    settings.verify = verify_of(global.server_tls_sslmode);
    settings.protocols = global.server_tls_protocols;
    settings.ciphers = global.server_tls_ciphers;
    settings.tls13_ciphers = global.server_tls13_ciphers;
    return with_files(
        std::move(settings),
        {global.server_tls_ca_file, global.server_tls_cert_file, global.server_tls_key_file},
        reader);
}

}  // namespace weir
