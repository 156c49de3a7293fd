// Goal: no record that another process hands over makes the one that takes over misbehave: it is
// read or refused, and what has been read is restored or refused, and written as it was read.
// Method: the first byte of the input chooses the record, the rest is the record.
#include <cstddef>
#include <cstdint>
#include <string>

#include "proxy/takeover/fields.h"

namespace {

using namespace weir;

template <typename T>
void check(ByteView bytes) {
    const std::optional<T> record = read_record<T>(bytes);
    if (!record) return;
    const std::string written = write_record(*record);
    const std::optional<T> again = read_record<T>(as_bytes(std::string_view(written)));
    if (!again || write_record(*again) != written) __builtin_trap();
}

void restore(ByteView bytes) {
    const std::optional<HandedServer> server = read_record<HandedServer>(bytes);
    if (!server) return;
    ProtocolTracker tracker;
    if (tracker.restore(server->tracker)) {
        while (tracker.pending() > 0) {
            PendingReply due;
            if (!tracker.take_faked(due)) break;
        }
    }
    ServerStatements statements;
    if (!statements.restore(server->statements, 0)) return;
    while (statements.size() > 0)
        statements.begin_close(statements.oldest(), 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const ByteView bytes(data + 1, size - 1);
    switch (data[0] % 5) {
        case 0: check<HandedProcess>(bytes); break;
        case 1: check<HandedGroup>(bytes); break;
        case 2: check<HandedServer>(bytes); break;
        case 3: check<HandedSession>(bytes); break;
        default: restore(bytes); break;
    }
    return 0;
}
