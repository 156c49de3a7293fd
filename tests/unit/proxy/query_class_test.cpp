// Goal: the first keyword tells the class, whatever stands before it. Method: statements by hand.
#include "proxy/limits/query_class.h"

#include <doctest/doctest.h>

#include <string>

namespace weir::query_class_test {
namespace {

TEST_CASE("the first keyword decides") {
    CHECK(query_class_of("select 1") == QueryClass::Read);
    CHECK(query_class_of("TABLE t") == QueryClass::Read);
    CHECK(query_class_of("Values (1)") == QueryClass::Read);
    CHECK(query_class_of("show all") == QueryClass::Read);
    CHECK(query_class_of("explain analyze delete from t") == QueryClass::Read);
    CHECK(query_class_of("with x as (delete from t) select 1") == QueryClass::Read);
    CHECK(query_class_of("INSERT INTO t VALUES (1)") == QueryClass::Write);
    CHECK(query_class_of("update t set a = 1") == QueryClass::Write);
    CHECK(query_class_of("delete from t") == QueryClass::Write);
    CHECK(query_class_of("merge into t") == QueryClass::Write);
    CHECK(query_class_of("create table t()") == QueryClass::Ddl);
    CHECK(query_class_of("drop table t") == QueryClass::Ddl);
    CHECK(query_class_of("copy t from stdin") == QueryClass::Copy);
    CHECK(query_class_of("begin") == QueryClass::Utility);
    CHECK(query_class_of("set x = 1") == QueryClass::Utility);
    CHECK(query_class_of("vacuum") == QueryClass::Utility);
}

TEST_CASE("blanks, comments, parentheses and empty statements do not hide it") {
    CHECK(query_class_of(" \t\n\v\f\r update t") == QueryClass::Write);
    CHECK(query_class_of("((select 1) union (select 2))") == QueryClass::Read);
    CHECK(query_class_of("-- select\ninsert into t") == QueryClass::Write);
    CHECK(query_class_of("/* select */insert into t") == QueryClass::Write);
    CHECK(query_class_of("/* a /* b */ select */ /**/ copy t") == QueryClass::Copy);
    CHECK(query_class_of("/*+ hint */ -- x\n ; ; select 1") == QueryClass::Read);
    CHECK(query_class_of("select/**/1") == QueryClass::Read);
    CHECK(query_class_of("select*from t") == QueryClass::Read);
    CHECK(query_class_of("select(1)") == QueryClass::Read);
}

TEST_CASE("what is no keyword is of no class") {
    CHECK(query_class_of("") == QueryClass::Utility);
    CHECK(query_class_of("   ;") == QueryClass::Utility);
    CHECK(query_class_of("-- select 1") == QueryClass::Utility);
    CHECK(query_class_of("/* select 1") == QueryClass::Utility);
    CHECK(query_class_of("/* /* */ select 1") == QueryClass::Utility);
    CHECK(query_class_of("selects") == QueryClass::Utility);
    CHECK(query_class_of("select_1") == QueryClass::Utility);
    CHECK(query_class_of("sel") == QueryClass::Utility);
    CHECK(query_class_of("\"select\"") == QueryClass::Utility);
    CHECK(query_class_of(std::string(1000, 'a')) == QueryClass::Utility);
    CHECK(query_class_of("-") == QueryClass::Utility);
    CHECK(query_class_of("/") == QueryClass::Utility);
}

}  // namespace
}  // namespace weir::query_class_test
