// Tracked parameters: the settings that a client keeps when its server changes under it.
// PgBouncer's five (client_encoding, DateStyle, TimeZone, standard_conforming_strings,
// application_name) and those of track_extra_parameters. Their names are fixed at start; a set of
// values is one packed string, so that "does this server suit this client?" is one comparison.
// Thread: ParameterNames immutable; TrackedParameters that of its owner.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

bool equals_ignoring_case(std::string_view a, std::string_view b);

class ParameterNames {
  public:
    static constexpr size_t kApplicationName = 4;

    explicit ParameterNames(const std::vector<std::string>& extra);
    // Index of `name`, case ignored; -1 when it is not tracked.
    [[nodiscard]] int index_of(std::string_view name) const;
    [[nodiscard]] const std::string& name(size_t index) const { return names_[index]; }
    [[nodiscard]] size_t size() const { return names_.size(); }

  private:
    std::vector<std::string> names_;
};

class TrackedParameters {
  public:
    // The value, or an empty view when it is not set (no tracked parameter has a meaningful empty
    // value but application_name, for which unset and empty are the same to a server).
    [[nodiscard]] std::string_view get(size_t index) const;
    void set(size_t index, std::string_view value);

    // All that may decide how a statement's text is read, that is, all but application_name: each
    // value with a NUL behind it.
    void append_settings(const ParameterNames& names, std::string& out) const;

    [[nodiscard]] size_t heap_bytes() const { return packed_.capacity(); }

    friend bool operator==(const TrackedParameters&, const TrackedParameters&) = default;

  private:
    std::string packed_;  // value NUL value NUL ...; missing at the end = unset
};

// `SET name='value';` for every tracked parameter in which `server` differs from what `client`
// wants; empty when they agree. Values differing only in case count as equal, as in PgBouncer,
// except application_name.
std::string make_set_query(const ParameterNames& names, const TrackedParameters& client,
                           const TrackedParameters& server);

// Which a server reports (PostgreSQL 14 and later): "on" while it is a replica.
constexpr std::string_view kInHotStandby = "in_hot_standby";

// What a server said at login: every ParameterStatus, in order.
struct Welcome {
    std::vector<std::pair<std::string, std::string>> parameters;

    friend bool operator==(const Welcome&, const Welcome&) = default;
};

}  // namespace weir
