// Goal: names of system users are found on another thread and told on the loop's. Method: users
// that every system has, and one that none has.
#include "proxy/runtime/system_users.h"

#include <doctest/doctest.h>

#include <thread>

namespace weir::system_users_test {
namespace {

TEST_CASE("a system user has its name, and who does not exist has none") {
    std::string root = "not told";
    std::string nobody = "not told";
    const std::thread::id here = std::this_thread::get_id();
    {
        Loop loop;
        find_system_user(loop, 0, [&](std::string name) {
            CHECK(std::this_thread::get_id() == here);
            root = std::move(name);
        });
        find_system_user(loop, 4'000'000'123, [&](std::string name) { nobody = std::move(name); });
        loop.run();
    }
    CHECK(root == "root");
    CHECK(nobody.empty());
}

}  // namespace
}  // namespace weir::system_users_test
