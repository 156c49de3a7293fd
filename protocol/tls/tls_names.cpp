#include "protocol/tls/tls_names.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "protocol/tls/handles.h"

namespace weir {

namespace {

using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>>;
using OctetsPtr = std::unique_ptr<ASN1_OCTET_STRING, FreeWith<ASN1_OCTET_STRING_free>>;

std::string bytes_of(const ASN1_STRING* text) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
            static_cast<size_t>(ASN1_STRING_length(text))};
}

// As UTF-8; empty when it is no text, or would end before its end somewhere.
std::string text_of(const ASN1_STRING* text) {
    unsigned char* utf8 = nullptr;
    const int bytes = ASN1_STRING_to_UTF8(&utf8, text);
    if (bytes < 0) return {};
    std::string out(reinterpret_cast<const char*>(utf8), static_cast<size_t>(bytes));
    OPENSSL_free(utf8);
    return out.find('\0') == std::string::npos ? out : std::string();
}

std::string common_name_of(const X509_NAME* subject) {
    int last = -1;
    for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;)
        last = at;
    if (last < 0) return {};
    return text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
}

std::string subject_of(const X509_NAME* subject) {
    const BioPtr out(BIO_new(BIO_s_mem()));
    if (out == nullptr || X509_NAME_print_ex(out.get(), subject, 0, XN_FLAG_RFC2253) < 0) return {};
    const char* text = nullptr;
    const long bytes = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<size_t>(bytes)};
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
        return std::tolower(x) == std::tolower(y);
    });
}

std::string octets_of_address(const std::string& host) {
    const OctetsPtr octets(a2i_IPADDRESS(host.c_str()));
    return octets == nullptr ? std::string() : bytes_of(octets.get());
}

}  // namespace

CertificateNames names_in(const X509& certificate) {
    CertificateNames out;
    const X509_NAME* subject = X509_get_subject_name(&certificate);
    out.common_name = common_name_of(subject);
    out.subject = subject_of(subject);
    const GeneralNamesPtr names(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type == GEN_DNS) {
            out.dns_names.push_back(text_of(name->d.dNSName));
        } else if (name->type == GEN_EMAIL) {
            out.emails.push_back(text_of(name->d.rfc822Name));
        } else if (name->type == GEN_IPADD) {
            out.addresses.push_back(bytes_of(name->d.iPAddress));
        }
    }
    return out;
}

bool is_address(const std::string& host) {
    return !octets_of_address(host).empty();
}

bool matches_host(std::string_view pattern, std::string_view host) {
    if (pattern.empty() || host.empty()) return false;
    if (!pattern.starts_with("*.")) return equals_ignoring_case(pattern, host);
    const std::string_view domain = pattern.substr(1);  // with its dot
    // Not all of a top level domain, and no second `*`.
    const bool is_too_wide = domain.find('.', 1) == std::string_view::npos;
    if (is_too_wide || domain.find('*') != std::string_view::npos) return false;
    const size_t dot = host.find('.');
    return dot != std::string_view::npos && dot > 0 &&
           equals_ignoring_case(domain, host.substr(dot));
}

Status check_host(const CertificateNames& names, const std::string& host) {
    if (host.empty()) return fail("08006", "host name must be specified for a verified connection");
    const std::string octets = octets_of_address(host);
    const bool has_alternatives = !names.dns_names.empty() || !names.addresses.empty();
    const auto is_it = [&](const std::string& name) { return matches_host(name, host); };
    bool is_right = false;
    if (!octets.empty()) {
        is_right = std::find(names.addresses.begin(), names.addresses.end(), octets) !=
                   names.addresses.end();
        // An address written as a name: never by way of a `*`.
        if (!has_alternatives) is_right = equals_ignoring_case(names.common_name, host);
    } else {
        is_right = std::any_of(names.dns_names.begin(), names.dns_names.end(), is_it) ||
                   (names.dns_names.empty() && is_it(names.common_name));
    }
    if (is_right) return {};
    const std::string& first =
        names.dns_names.empty() ? names.common_name : names.dns_names.front();
    const size_t others = names.dns_names.empty() ? 0 : names.dns_names.size() - 1;
    return fail("08006",
                "server certificate for \"" + first + "\"" +
                    (others > 0 ? " (and " + std::to_string(others) + " other names)" : "") +
                    " does not match host name \"" + host + "\"");
}

}  // namespace weir
