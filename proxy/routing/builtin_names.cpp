#include "proxy/routing/builtin_names.h"

#include <algorithm>
#include <iterator>

namespace weir {
namespace {

#include "proxy/routing/builtin_names.inc"

static_assert(std::is_sorted(std::begin(kHarmlessFunctions), std::end(kHarmlessFunctions)));
static_assert(std::is_sorted(std::begin(kServerSpecificFunctions),
                             std::end(kServerSpecificFunctions)));
static_assert(std::is_sorted(std::begin(kHarmlessOperators), std::end(kHarmlessOperators)));
static_assert(std::is_sorted(std::begin(kBuiltinTypes), std::end(kBuiltinTypes)));
static_assert(std::is_sorted(std::begin(kReplicatedCatalogs), std::end(kReplicatedCatalogs)));

template <size_t N>
bool has(const std::string_view (&names)[N], std::string_view name) {
    return std::binary_search(std::begin(names), std::end(names), name);
}

}  // namespace

bool is_harmless_function(std::string_view name) {
    return has(kHarmlessFunctions, name);
}

bool is_server_specific_function(std::string_view name) {
    return has(kServerSpecificFunctions, name);
}

bool is_harmless_operator(std::string_view name) {
    return has(kHarmlessOperators, name);
}

bool is_builtin_type(std::string_view name) {
    if (name.starts_with('_')) name.remove_prefix(1);
    return has(kBuiltinTypes, name);
}

bool is_replicated_catalog(std::string_view name) {
    return has(kReplicatedCatalogs, name);
}

}  // namespace weir
