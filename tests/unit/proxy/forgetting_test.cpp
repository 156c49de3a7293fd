// Goal: a command that makes the server forget its statements is recognised however it is written;
// ordinary queries are not taken for one; which statement it means is read as PostgreSQL reads it.
// Method: by hand.
#include "proxy/prepared/forgetting.h"

#include <doctest/doctest.h>

#include <initializer_list>

namespace weir::forgetting_test {
namespace {

TEST_CASE("commands that forget are recognised in any spelling and place") {
    for (const char* sql :
         {"DEALLOCATE ALL", "deallocate all", "Discard All;", " \n\tDISCARD ALL ; ",
          ";;DISCARD ALL", "/* a */ DISCARD ALL", "-- a; b\nDEALLOCATE ALL",
          "SELECT 1; DISCARD ALL", "BEGIN;DEALLOCATE ALL;COMMIT", "DEALLOCATE PREPARE ALL"}) {
        CAPTURE(sql);
        CHECK(effects_of(sql).may_forget);
    }
}

TEST_CASE("ordinary queries do not forget") {
    for (const char* sql :
         {"", " ", ";", "-", "/", "d", "D", "DISC", "BEGIN", "COMMIT;", "SELECT 'DISCARD ALL'",
          "SELECT 1;", "SELECT 1; SELECT 2;", "DELETE FROM t", "do $$ begin null; end $$",
          "/* hint */ SELECT 1", "DEALLOCATE a"}) {
        CAPTURE(sql);
        CHECK_FALSE(effects_of(sql).may_forget);
    }
}

TEST_CASE("where it is hard to tell, yes is the answer") {
    CHECK(effects_of("SELECT 1; SELECT 'discard all'").may_forget);
    CHECK(effects_of("DISCARD PLANS").may_forget);
}

TEST_CASE("commands that change settings are recognised in any spelling and place") {
    for (const char* sql :
         {"SET timezone = 'UTC'", "set\tDateStyle TO dmy", " ;reset all", "RESET timezone;",
          "SET LOCAL TIME ZONE 0", "/* a */ SET a = b", "begin; set a = b", "-- a\nreset a"}) {
        CAPTURE(sql);
        CHECK(effects_of(sql).may_set);
    }
    for (const char* sql : {"", " ;", "s", "SELECT 1", "select 'a' || ' set'", "UPDATE t SET a = 1",
                            "BEGIN; SELECT 1; COMMIT", "re", "-- a\nSELECT 1"}) {
        CAPTURE(sql);
        CHECK_FALSE(effects_of(sql).may_set);
    }
    CHECK(effects_of("UPDATE t SET a = 1; SELECT 1").may_set);  // hard to tell, so yes
}

TEST_CASE("the name that is deallocated is read as PostgreSQL reads it") {
    struct Example {
        const char* sql;
        const char* name;
    };
    for (const Example& example : std::initializer_list<Example>{
             {"DEALLOCATE a1", "a1"},
             {"deallocate prepare dbdpg_p17_1", "dbdpg_p17_1"},
             {" ;\n Deallocate\tPDO_Stmt_00000001 ; ", "pdo_stmt_00000001"},
             {"DEALLOCATE \"Some \"\"Name;\"", "Some \"Name;"},
             {"DEALLOCATE\"x\"", "x"},
             {"DEALLOCATE PREPARE\"x\";", "x"},
             {"DEALLOCATE \"all\"", "all"},
             {"DEALLOCATE prepare", "prepare"},
             {"DEALLOCATE prepared", "prepared"},
             {"DEALLOCATE _pg3_0", "_pg3_0"},
             {"DEALLOCATE \xc3\xbc$1", "\xc3\xbc$1"},
             {"DEALLOCATE n23456789012345678901234567890123456789012345678901234567890123",
              "n23456789012345678901234567890123456789012345678901234567890123"}}) {
        CAPTURE(example.sql);
        const std::optional<std::string> read = deallocated_name(example.sql);
        REQUIRE(read.has_value());
        CHECK(*read == example.name);
    }
}

TEST_CASE("what is not the deallocation of one name and no more has none") {
    for (const char* sql :
         {"",
          ";",
          "DEALLOCATE",
          "DEALLOCATE ;",
          "DEALLOCATE ALL",
          "deallocate prepare all",
          "DEALLOCATEx",
          "DEALLOCATE a b",
          "DEALLOCATE a; SELECT 1",
          "DEALLOCATE a, b",
          "DEALLOCATE 1a",
          "DEALLOCATE $a",
          "DEALLOCATE \"a",
          "DEALLOCATE \"a\"b\"",
          "DEALLOCATE \"\"",
          "DEALLOCATE \"",
          "DEALLOCATE a -- comment",
          "SELECT 1",
          "DEALLOCATE /* c */ a",
          "DEALLOCATE U&\"a\"",
          "PREPARE a",
          "DEALLOCATE n234567890123456789012345678901234567890123456789012345678901234"}) {
        CAPTURE(sql);
        CHECK_FALSE(deallocated_name(sql).has_value());
    }
}

TEST_CASE("what changes tables, views and types may change statements") {
    for (const char* tag : {"ALTER TABLE", "DROP TABLE", "DROP TYPE", "CREATE VIEW", "CREATE TABLE",
                            "CREATE TABLE AS"})
        CHECK(may_change_statements(tag));
    for (const char* tag : {"", "SELECT 1", "INSERT 0 1", "CREATE", "COMMIT", "ROLLBACK",
                            "DISCARD ALL", "DEALLOCATE"})
        CHECK_FALSE(may_change_statements(tag));
}

}  // namespace
}  // namespace weir::forgetting_test
