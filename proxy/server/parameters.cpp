#include "proxy/server/parameters.h"

#include <strings.h>

namespace weir {

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

ParameterNames::ParameterNames(const std::vector<std::string>& extra)
    : names_{"client_encoding", "DateStyle", "TimeZone", "standard_conforming_strings",
             "application_name"} {
    for (const std::string& name : extra) {
        if (!name.empty() && index_of(name) < 0) names_.push_back(name);
    }
}

int ParameterNames::index_of(std::string_view name) const {
    for (size_t i = 0; i < names_.size(); ++i) {
        if (equals_ignoring_case(names_[i], name)) return static_cast<int>(i);
    }
    return -1;
}

std::string_view TrackedParameters::get(size_t index) const {
    std::string_view rest = packed_;
    for (; index > 0 && !rest.empty(); --index)
        rest.remove_prefix(rest.find('\0') + 1);
    return rest.substr(0, rest.find('\0'));
}

void TrackedParameters::set(size_t index, std::string_view value) {
    value = value.substr(0, value.find('\0'));
    size_t at = 0;
    for (size_t i = 0; i < index; ++i) {
        if (at == packed_.size()) packed_.push_back('\0');
        at = packed_.find('\0', at) + 1;
    }
    if (at == packed_.size()) packed_.push_back('\0');
    packed_.replace(at, packed_.find('\0', at) - at, value);
}

void TrackedParameters::append_settings(const ParameterNames& names, std::string& out) const {
    for (size_t i = 0; i < names.size(); ++i) {
        if (i == ParameterNames::kApplicationName) continue;
        out.append(get(i)).push_back('\0');
    }
}

namespace {

void append_literal(std::string& out, std::string_view value) {
    // A backslash needs the E'' form to mean itself whatever standard_conforming_strings says.
    if (value.find('\\') != std::string_view::npos) out += " E";
    out += '\'';
    for (const char c : value) {
        if (c == '\'' || c == '\\') out += c;
        out += c;
    }
    out += '\'';
}

}  // namespace

std::string make_set_query(const ParameterNames& names, const TrackedParameters& client,
                           const TrackedParameters& server) {
    std::string out;
    for (size_t i = 0; i < names.size(); ++i) {
        const std::string_view wanted = client.get(i);
        const std::string_view present = server.get(i);
        const bool is_application_name = names.name(i) == "application_name";
        if (wanted == present || (wanted.empty() && !is_application_name)) continue;
        if (!is_application_name && equals_ignoring_case(wanted, present)) continue;
        out += "SET ";
        out += names.name(i);
        out += '=';
        append_literal(out, wanted);
        out += ';';
    }
    return out;
}

}  // namespace weir
