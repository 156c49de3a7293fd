// Goal: whatever client and server say, in whatever order, ProtocolTracker and its plain twin agree
// and no memory is misused.
// Method: the input is a list of steps of two bytes: what happens, and its detail; both twins take
// it and are compared (tests/unit/protocol/tracker_model.h).
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "tests/unit/protocol/tracker_model.h"

namespace weir {
namespace {

constexpr BackendTag kTags[] = {
    BackendTag::ErrorResponse,
    BackendTag::ReadyForQuery,
    BackendTag::ParseComplete,
    BackendTag::BindComplete,
    BackendTag::CloseComplete,
    BackendTag::CommandComplete,
    BackendTag::NoData,
    BackendTag::RowDescription,
    BackendTag::PortalSuspended,
    BackendTag::CopyInResponse,
    BackendTag::CopyOutResponse,
    BackendTag::CopyBothResponse,
    BackendTag::CopyDone,
    BackendTag::EmptyQueryResponse,
    BackendTag::DataRow,
    BackendTag::CopyData,
    BackendTag::FunctionCallResponse,
    BackendTag::ParameterDescription,
    BackendTag::NoticeResponse,
    BackendTag::ParameterStatus,
    BackendTag::NotificationResponse,
    BackendTag::Authentication,
    BackendTag::BackendKeyData,
    BackendTag::NegotiateProtocolVersion,
};

bool take_step(TrackerPair& pair, uint8_t what, uint8_t detail) {
    if (what < 128) {
        const auto request = static_cast<Request>(what % 10);
        auto origin = static_cast<Origin>(detail % 3);
        // Only a Parse or a Close is ever answered by the proxy.
        if (origin == Origin::Faked && request != Request::Parse && request != Request::Close)
            origin = Origin::Client;
        return pair.send(request, origin, detail < 128 ? detail : PendingReply::kNoStatement);
    }
    if (what >= 250) return pair.take_faked();
    const uint8_t status = detail < 250 ? static_cast<uint8_t>("ITE"[detail % 3]) : detail;
    return pair.receive(kTags[what % std::size(kTags)], status);
}

}  // namespace
}  // namespace weir

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    weir::TrackerPair pair;
    for (size_t i = 0; i + 1 < size; i += 2) {
        if (!weir::take_step(pair, data[i], data[i + 1])) __builtin_trap();
    }
    return 0;
}
