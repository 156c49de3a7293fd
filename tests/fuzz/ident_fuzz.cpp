// Goal: no map file and no name makes reading or mapping crash, hang or read outside, and what is
// in no map is allowed nothing. Method: the input is cut at form feeds: the file, which is included
// in itself, too, the name of a map, a system name, a user.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "conf/ident_map.h"
#include "protocol/base/bytes.h"

namespace weir {
namespace {

void require(bool condition) {
    if (!condition) __builtin_trap();
}

std::string_view take_part(std::string_view& rest) {
    const size_t end = rest.find('\f');
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return part;
}

}  // namespace
}  // namespace weir

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace weir;
    std::string_view rest = as_text({data, size});
    const std::string text(take_part(rest));
    const std::string_view map = take_part(rest);
    const std::string_view system = take_part(rest);
    const AuthFiles files{[&text](const std::string&) -> Result<std::string> { return text; },
                          [](const std::string&) -> Result<std::vector<std::string>> {
                              return std::vector<std::string>{"a.conf"};
                          }};
    std::vector<ConfigError> errors;
    const IdentMaps maps = read_ident("ident", files, errors);
    for (const ConfigError& error : errors)
        require(!error.file.empty() && !error.message.empty());
    bool is_allowed = maps.allows(map, system, rest);
    require(maps.has(map) || !is_allowed);
    if (!maps.has(map)) return 0;
    for (const IdentEntry& entry : maps.maps.find(map)->second) {
        if (!entry.allows(system, rest)) continue;
        require(is_allowed);
        require(entry.system_expression || entry.system_name == system);
        is_allowed = false;
        break;
    }
    require(!is_allowed);
    return 0;
}
