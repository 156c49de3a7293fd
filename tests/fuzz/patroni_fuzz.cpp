// Goal: no answer, from whoever listens at a Patroni's address, makes the reader misbehave, and
// what it keeps is fit for console and log. Method: the input is the answer.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "health/patroni_answer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace weir;
    const auto* text = reinterpret_cast<const char*>(data);
    const auto answer = read_patroni_answer(std::string_view(text, size));
    if (!answer) return 0;
    for (const char c : to_text(*answer)) {
        if (c < ' ' || c > '~') __builtin_trap();
    }
    return 0;
}
