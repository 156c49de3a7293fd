// Goal: a hint is what the header says, and nothing else is one.
// Method: texts by hand.
#include "proxy/routing/route_hint.h"

#include <doctest/doctest.h>

#include <string>

namespace weir::route_hint_test {
namespace {

HintTarget target(std::string_view sql) {
    return route_hint(sql).target;
}

TEST_CASE("the first comment is a hint when it says so") {
    CHECK(target("/* weir: primary */ SELECT 1") == HintTarget::Primary);
    CHECK(target("/* weir: replica */ SELECT 1") == HintTarget::Replica);
    CHECK(target("/*weir:replica*/SELECT 1") == HintTarget::Replica);
    CHECK(target(" \n\t/*\n weir:\treplica\n*/ BEGIN") == HintTarget::Replica);
    CHECK(target("/* weir: replica */") == HintTarget::Replica);
}

TEST_CASE("of both, primary wins") {
    CHECK(target("/* weir: replica, primary */") == HintTarget::Primary);
    CHECK(target("/* weir: primary replica */") == HintTarget::Primary);
}

TEST_CASE("words that are not known are counted") {
    CHECK(route_hint("/* weir: */").unknown_words == 0);
    CHECK(route_hint("/* weir: , ,replica,, */").unknown_words == 0);
    const RouteHint hint = route_hint("/* weir: fast replica Primary replicas */ SELECT 1");
    CHECK(hint.target == HintTarget::Replica);
    CHECK(hint.unknown_words == 3);
}

TEST_CASE("nothing else is a hint") {
    for (const char* sql :
         {"", " ", "/", "/*", "/* weir", "/* weir: replica", "/* weir: replica *", "SELECT 1",
          "-- weir: replica\nSELECT 1", "/*+ weir: replica */ SELECT 1", "/* Weir: replica */",
          "/* weir : replica */", "/* see weir: replica */", "/* a */ /* weir: replica */",
          "SELECT /* weir: replica */ 1", "; /* weir: replica */", "/* weir:x */ /* replica */"})
        CHECK(target(sql) == HintTarget::None);
}

TEST_CASE("a long comment is none") {
    const std::string fits(kHintBytesMax - 20, ' ');
    CHECK(target("/*" + fits + "weir: replica */") == HintTarget::Replica);
    CHECK(target("/*" + fits + fits + "weir: replica */") == HintTarget::None);
    CHECK(target("/* weir: replica" + fits + fits + "*/") == HintTarget::None);
}

}  // namespace
}  // namespace weir::route_hint_test
