// PatroniWatch: asks the Patroni of each endpoint that has one, again and again, over libcurl's
// multi interface, and gives what it says to the registry. It has no wait of its own: the prober's
// poll(2) waits for its sockets, and calls it when one is ready or next_at() has come.
//
// A question is GET URL/patroni, on a connection that is kept; it begins patroni_interval after the
// beginning of the last one, with jitter; later where there was no answer. An answer is bounded in
// time and in size, and is that of the address asked: no redirect, no proxy from the environment,
// no other protocol, with https a certificate that the system's authorities vouch for. Answers are
// read before deadlines are looked at, as the prober does, and for the same reason.
//
// Nothing blocks: host names are looked up by a thread of libcurl's, which is left alone when the
// deadline comes before it is done (CURLOPT_QUICK_EXIT; else ending the question would wait for
// it). Without any target nothing of libcurl is initialised. Errors: all become reports. Owner:
// HealthThread. Thread: the owner's.
#pragma once

#include <poll.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "health/registry.h"
#include "protocol/base/clock.h"

namespace weir {

class PatroniWatch {
  public:
    static constexpr size_t kAnswerBytesMax = 65536;  // head and body

    // All borrowed, outlive this.
    PatroniWatch(HealthRegistry& registry, Clock& clock) : registry_(registry), clock_(clock) {}
    PatroniWatch(const PatroniWatch&) = delete;
    PatroniWatch& operator=(const PatroniWatch&) = delete;
    ~PatroniWatch();

    // After the registry was configured. Targets that stay keep their connection.
    void configure(Duration timeout);

    // Begins what is due.
    void begin_due();
    // Appends what to poll for; the same elements, and no others, go to handle() after the poll.
    void add_sockets(std::vector<pollfd>& fds) const;
    void handle(std::span<const pollfd> fds);
    // When to be called though no socket is ready; never = no need.
    [[nodiscard]] Instant next_at() const;

  private:
    // libcurl's handles, of which only patroni_watch.cpp knows the types.
    struct EndEasy {
        void operator()(void* easy) const;
    };
    struct EndMulti {
        void operator()(void* multi) const;
    };
    static constexpr size_t kErrorBytes = 256;  // what libcurl wants, CURL_ERROR_SIZE

    struct Ask {
        Endpoint* endpoint = nullptr;
        std::string url;
        std::unique_ptr<void, EndEasy> easy;
        std::array<char, kErrorBytes> error{};  // libcurl writes here
        std::string body;
        size_t received = 0;  // head and body
        bool is_busy = false;
        Instant began_at;
        Instant deadline;  // holds while is_busy
        Instant next_at;   // holds while not
    };
    struct Callbacks;

    [[nodiscard]] bool open();
    [[nodiscard]] std::unique_ptr<Ask> make_ask(const PatroniTarget& target);
    // libcurl has nothing to do with it any more, until it begins again.
    void forget(Ask& ask);
    void begin(Ask& ask, Instant now);
    void collect();
    void finish(Ask& ask, const Result<PatroniAnswer>& said);
    [[nodiscard]] static Result<PatroniAnswer> answer_of(Ask& ask, int code);

    HealthRegistry& registry_;
    Clock& clock_;
    Duration timeout_ = std::chrono::milliseconds(200);
    bool is_initialised_ = false;  // libcurl as a whole
    std::unique_ptr<void, EndMulti> multi_;
    std::vector<std::unique_ptr<Ask>> asks_;  // libcurl holds their addresses
    std::vector<pollfd> sockets_;             // that libcurl wants to be polled
    Instant curl_at_;  // when libcurl wants to be called; never = it does not
};

}  // namespace weir
