// Goal: a command that makes the server forget its statements is recognised however it is written;
// ordinary queries are not taken for one.
// Method: by hand.
#include "proxy/prepared/forgetting.h"

#include <doctest/doctest.h>

namespace weir {
namespace {

TEST_CASE("commands that forget are recognised in any spelling and place") {
    for (const char* sql :
         {"DEALLOCATE ALL", "deallocate all", "Discard All;", " \n\tDISCARD ALL ; ",
          ";;DISCARD ALL", "/* a */ DISCARD ALL", "-- a; b\nDEALLOCATE ALL",
          "SELECT 1; DISCARD ALL", "BEGIN;DEALLOCATE ALL;COMMIT", "DEALLOCATE PREPARE ALL"}) {
        CAPTURE(sql);
        CHECK(may_forget_statements(sql));
    }
}

TEST_CASE("ordinary queries do not forget") {
    for (const char* sql : {"", " ", ";", "-", "/", "d", "D", "DISC", "BEGIN", "COMMIT;",
                            "SELECT 'DISCARD ALL'", "SELECT 1;", "SELECT 1; SELECT 2;",
                            "DELETE FROM t", "do $$ begin null; end $$", "/* hint */ SELECT 1"}) {
        CAPTURE(sql);
        CHECK_FALSE(may_forget_statements(sql));
    }
}

TEST_CASE("where it is hard to tell, yes is the answer") {
    CHECK(may_forget_statements("SELECT 1; SELECT 'discard all'"));
    CHECK(may_forget_statements("DISCARD PLANS"));
}

}  // namespace
}  // namespace weir
