// Probe: one libpq connection to one endpoint, kept open between probes, so that losing it is
// noticed at once and a probe costs one round trip.
//
//              begin            logged in                answer           answer
//    CLOSED ----------> CONNECTING -------> LEARNING ------------> ASKING -------> IDLE
//      ^                    |                   |                   |  ^             |
//      +---- failure -------+---- deadline -----+-------------------+  +--- begin ---+
//      +---------------------------------- end of file, FATAL -----------------------+
//
// From begin() to the report everything has `timeout`, log-in included. A failed probe closes the
// connection: of a server that did not answer in time the next answer could be that to the old
// question. LEARNING asks what may be called (probe_query.h), once for each connection. A query
// that fails is asked once more for the role alone, on this connection for good.
//
// No call blocks but one: libpq looks host names up in begin(), with getaddrinfo, whenever it
// connects. That is off the data path, but it holds up the other probes; give addresses where names
// may be slow. Certificates and ~/.pgpass are read from files there, too.
// Errors: all become reports. Owner: Prober. Thread: the owner's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "health/backend_spec.h"
#include "health/probe_error.h"
#include "health/probe_query.h"
#include "health/probe_report.h"

struct pg_conn;
struct pg_result;

namespace weir {

class Probe {
  public:
    Probe(std::string host, uint16_t port, ProbeLogin login);
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;
    ~Probe();

    // Starts a probe; not while one is under way.
    void begin(Instant now, Duration timeout);
    // The socket is ready for some of events(), or may be.
    void on_ready(Instant now);
    // To be called when deadline() has passed, after on_ready: an answer that waited is in time.
    void on_deadline(Instant now);

    // What to poll for; -1 = nothing. May differ after each call.
    [[nodiscard]] int fd() const;
    [[nodiscard]] int16_t events() const;
    [[nodiscard]] bool is_busy() const { return state_ != State::Closed && state_ != State::Idle; }
    [[nodiscard]] Instant deadline() const { return deadline_; }  // holds while is_busy()

    // The outcome of a probe that has ended; once.
    [[nodiscard]] std::optional<ProbeReport> take_report();
    // Whether the other side ended the connection, idle or not; once. Not, if it was we who closed
    // it for want of an answer in time.
    [[nodiscard]] bool take_loss();

  private:
    enum class State : uint8_t { Closed, Connecting, Learning, Asking, Idle };
    struct Finish {
        void operator()(pg_conn* connection) const;
    };
    struct Clear {
        void operator()(pg_result* result) const;
    };
    using ResultPtr = std::unique_ptr<pg_result, Clear>;

    void transition(State to);
    void connect(Instant now);
    void continue_connect(Instant now);
    void send(const std::string& query, State state, Instant now);
    void ask(Instant now);
    void receive(Instant now);
    void on_result(const ResultPtr& result, Instant now);
    void on_learned(const ResultPtr& result, Instant now);
    void on_answer(const ResultPtr& result, Instant now);
    void on_idle_input();
    void succeed(ProbeReport report);
    void lose(Outcome outcome, Instant now, std::string detail);
    void fail_probe(Outcome outcome, Instant now, std::string detail);
    void fail_connect(Instant now);
    [[nodiscard]] ProbePhase phase() const;
    [[nodiscard]] std::string last_error() const;

    const std::string host_;
    const uint16_t port_;
    const ProbeLogin login_;

    std::unique_ptr<pg_conn, Finish> connection_;
    State state_ = State::Closed;
    ProbePhase connect_phase_ = ProbePhase::Connect;
    bool wants_write_ = false;
    std::string query_;  // as this connection's capabilities allow
    bool is_reduced_ = false;
    ResultPtr result_;
    Instant began_at_;
    Instant sent_at_;
    Instant deadline_;
    std::optional<ProbeReport> report_;
    bool is_lost_ = false;
};

}  // namespace weir
