// Goal: ProtocolTracker, ring and counters and all, does what a plain queue does.
// Method: the tracker and TrackerModel take the same seeded random steps, mostly what a client and
// a server would really say, sometimes nonsense; after every step all that can be asked is
// compared.
#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>

#include "protocol/base/random.h"
#include "tests/unit/protocol/tracker_model.h"

namespace weir::tracker_differential_test {
namespace {

constexpr BackendTag kAllTags[] = {
    BackendTag::Authentication,
    BackendTag::BackendKeyData,
    BackendTag::BindComplete,
    BackendTag::CloseComplete,
    BackendTag::CommandComplete,
    BackendTag::CopyBothResponse,
    BackendTag::CopyData,
    BackendTag::CopyDone,
    BackendTag::CopyInResponse,
    BackendTag::CopyOutResponse,
    BackendTag::DataRow,
    BackendTag::EmptyQueryResponse,
    BackendTag::ErrorResponse,
    BackendTag::FunctionCallResponse,
    BackendTag::NoData,
    BackendTag::NegotiateProtocolVersion,
    BackendTag::NoticeResponse,
    BackendTag::NotificationResponse,
    BackendTag::ParameterDescription,
    BackendTag::ParameterStatus,
    BackendTag::ParseComplete,
    BackendTag::PortalSuspended,
    BackendTag::ReadyForQuery,
    BackendTag::RowDescription,
};

class Driver {
  public:
    explicit Driver(uint64_t seed)
        : prng_(seed), sends_percent_(static_cast<unsigned>(30 + prng_.below(45))) {}

    bool step() {
        if (pair_.tracker.faked_is_due() && prng_.chance(90)) return pair_.take_faked();
        if (prng_.below(2000) == 0) {
            pair_.tracker.reset();
            pair_.model = {};
        }
        return prng_.chance(sends_percent_) ? send() : receive();
    }
    [[nodiscard]] uint32_t pending() const { return pair_.tracker.pending(); }

  private:
    bool send() {
        static constexpr Request kRequests[] = {
            Request::Parse,          Request::Bind,         Request::DescribeStatement,
            Request::DescribePortal, Request::Execute,      Request::Close,
            Request::Sync,           Request::Sync,         Request::Query,
            Request::Query,          Request::FunctionCall, Request::CopyEnd,
            Request::Execute,        Request::Bind,         Request::Sync,
            Request::CopyEnd};
        const Request request = kRequests[prng_.below(16)];
        Origin origin = prng_.chance(20) ? Origin::Proxy : Origin::Client;
        if ((request == Request::Parse || request == Request::Close) && prng_.chance(40))
            origin = Origin::Faked;
        const auto statement =
            prng_.chance(30) ? static_cast<uint32_t>(prng_.below(100)) : PendingReply::kNoStatement;
        return pair_.send(request, origin, statement);
    }

    bool receive() {
        const uint8_t status = prng_.chance(1) ? '?' : static_cast<uint8_t>("IITE"[prng_.below(4)]);
        if (pair_.tracker.pending() == 0 || prng_.below(300) == 0)
            return pair_.receive(kAllTags[prng_.below(std::size(kAllTags))], status);
        if (prng_.chance(8)) return pair_.receive(BackendTag::ErrorResponse, status);
        return pair_.receive(fitting(), status);
    }

    BackendTag fitting() {
        const uint64_t dice = prng_.below(10);
        switch (pair_.tracker.head().request) {
            case Request::Parse: return BackendTag::ParseComplete;
            case Request::Bind: return BackendTag::BindComplete;
            case Request::Close: return BackendTag::CloseComplete;
            case Request::DescribeStatement:
            case Request::DescribePortal:
                return dice < 3   ? BackendTag::ParameterDescription
                       : dice < 6 ? BackendTag::NoData
                                  : BackendTag::RowDescription;
            case Request::Execute:
            case Request::Query: return of_execution(dice);
            case Request::FunctionCall:
                return dice < 3 ? BackendTag::FunctionCallResponse : BackendTag::ReadyForQuery;
            default: return BackendTag::ReadyForQuery;
        }
    }
    BackendTag of_execution(uint64_t dice) {
        const bool is_query = pair_.tracker.head().request == Request::Query;
        switch (dice) {
            case 0: return BackendTag::CopyInResponse;
            case 1: return BackendTag::CopyOutResponse;
            case 2: return BackendTag::DataRow;
            case 3: return is_query ? BackendTag::RowDescription : BackendTag::PortalSuspended;
            case 4: return BackendTag::EmptyQueryResponse;
            case 5: return prng_.chance(20) ? BackendTag::CopyBothResponse : BackendTag::CopyData;
            case 6:
            case 7: return BackendTag::CommandComplete;
            default:
                return is_query && pair_.tracker.copy_state() == CopyState::None
                           ? BackendTag::ReadyForQuery
                           : BackendTag::CommandComplete;
        }
    }

    Prng prng_;
    unsigned sends_percent_;
    TrackerPair pair_;
};

TEST_CASE("the tracker agrees with a plain queue over half a million random steps") {
    uint32_t deepest = 0;
    for (uint64_t seed = 1; seed <= 100; ++seed) {
        Driver driver(seed);
        for (int step = 0; step < 5000; ++step) {
            const bool agrees = driver.step();
            if (!agrees) FAIL("seed " << seed << ", step " << step);
            deepest = std::max(deepest, driver.pending());
        }
    }
    CHECK(deepest > 64);  // the ring has grown
}

}  // namespace
}  // namespace weir::tracker_differential_test
