#include "protocol/message/frame.h"

#include <array>

namespace weir {

namespace {

constexpr std::array<bool, 256> make_table(const char* tags) {
    std::array<bool, 256> table{};
    for (const char* t = tags; *t != 0; ++t)
        table[static_cast<uint8_t>(*t)] = true;
    return table;
}

constexpr auto kFromClient = make_table("BCDEFHPQSXcdfp");
constexpr auto kFromServer = make_table("RK23CWdcGHDIEVvnNAtS1sZT");

}  // namespace

bool is_known_tag(Direction direction, uint8_t tag) {
    return direction == Direction::FromClient ? kFromClient[tag] : kFromServer[tag];
}

}  // namespace weir
