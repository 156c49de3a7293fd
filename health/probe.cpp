#include "health/probe.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <poll.h>

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/base/check.h"

namespace weir {

namespace {

// A notice, such as "terminating connection" to an idle connection, would go to stderr.
void ignore_notice(void*, const PGresult*) {}

bool is_address(const std::string& host) {
    std::array<unsigned char, sizeof(in6_addr)> buffer{};
    return ::inet_pton(AF_INET, host.c_str(), buffer.data()) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), buffer.data()) == 1;
}

std::vector<std::string_view> columns_of(const PGresult* result) {
    std::vector<std::string_view> columns;
    if (PQntuples(result) != 1) return columns;
    for (int i = 0; i < PQnfields(result); ++i) {
        columns.emplace_back(PQgetvalue(result, 0, i),
                             static_cast<size_t>(PQgetlength(result, 0, i)));
    }
    return columns;
}

std::string_view sqlstate_of_result(const PGresult* result) {
    const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return state == nullptr ? std::string_view() : std::string_view(state);
}

}  // namespace

void Probe::Finish::operator()(pg_conn* connection) const {
    PQfinish(connection);
}

void Probe::Clear::operator()(pg_result* result) const {
    PQclear(result);
}

Probe::Probe(std::string host, uint16_t port, ProbeLogin login)
    : host_(std::move(host)), port_(port), login_(std::move(login)) {}

Probe::~Probe() = default;

void Probe::begin(Instant now, Duration timeout) {
    WEIR_CHECK(!is_busy());
    began_at_ = sent_at_ = now;
    deadline_ = now + timeout;
    report_.reset();
    if (state_ == State::Idle) {
        ask(now);
    } else {
        connect(now);
    }
}

// --- connecting

void Probe::connect(Instant now) {
    const std::string port = std::to_string(port_);
    const std::string password(login_.password.view());
    std::vector<const char*> keys;
    std::vector<const char*> values;
    const auto set = [&keys, &values](const char* key, const char* value) {
        keys.push_back(key);
        values.push_back(value);
    };
    set("host", host_.c_str());
    if (is_address(host_)) set("hostaddr", host_.c_str());
    set("port", port.c_str());
    set("user", login_.user.c_str());
    set("dbname", login_.dbname.c_str());
    if (!password.empty()) set("password", password.c_str());
    set("sslmode", login_.sslmode.c_str());
    if (!login_.sslrootcert.empty()) set("sslrootcert", login_.sslrootcert.c_str());
    if (!login_.sslcert.empty()) set("sslcert", login_.sslcert.c_str());
    if (!login_.sslkey.empty()) set("sslkey", login_.sslkey.c_str());
    set("application_name", "weir-health");
    set("gssencmode", "disable");        // would look for tickets, in files and over the net
    set("target_session_attrs", "any");  // whatever the environment says
    set("client_encoding", "SQL_ASCII");
    keys.push_back(nullptr);
    values.push_back(nullptr);

    transition(State::Connecting);
    connect_phase_ = ProbePhase::Connect;
    is_reduced_ = false;
    result_.reset();
    // The names of databases are not to be read as connection strings: expand_dbname = 0.
    connection_.reset(PQconnectStartParams(keys.data(), values.data(), 0));
    if (connection_ == nullptr) {
        fail_probe(Outcome::ProbeFailure, now, "out of memory");
        return;
    }
    PQsetErrorVerbosity(connection_.get(), PQERRORS_VERBOSE);  // see probe_error.h
    PQsetNoticeReceiver(connection_.get(), ignore_notice, nullptr);
    wants_write_ = true;  // as libpq's manual wants the first wait to be
    if (PQstatus(connection_.get()) == CONNECTION_BAD) fail_connect(now);
}

void Probe::continue_connect(Instant now) {
    switch (PQstatus(connection_.get())) {
        case CONNECTION_NEEDED:
        case CONNECTION_STARTED: connect_phase_ = ProbePhase::Connect; break;
        case CONNECTION_SSL_STARTUP: connect_phase_ = ProbePhase::Tls; break;
        default: connect_phase_ = ProbePhase::Login; break;
    }
    switch (PQconnectPoll(connection_.get())) {
        case PGRES_POLLING_READING: wants_write_ = false; return;
        case PGRES_POLLING_WRITING: wants_write_ = true; return;
        case PGRES_POLLING_OK: break;
        default: fail_connect(now); return;
    }
    PQsetnonblocking(connection_.get(), 1);
    send(capability_query(), State::Learning, now);
}

void Probe::fail_connect(Instant now) {
    const std::string message = last_error();
    const Outcome outcome = classify_connect_failure(connect_phase_, message);
    const std::string state(sqlstate_of(message));
    if (!is_refusal_of_a_live_server(outcome, state)) {
        fail_probe(outcome, now, one_line(message));
        return;
    }
    ProbeReport report;
    report.result.outcome = Outcome::Success;
    report.result.sent_at = began_at_;
    report.result.round_trip = now - began_at_;
    report.detail = one_line(message);
    report_ = std::move(report);
    connection_.reset();
    transition(State::Closed);
}

// --- asking

void Probe::ask(Instant now) {
    send(query_, State::Asking, now);
}

void Probe::send(const std::string& query, State state, Instant now) {
    transition(state);
    sent_at_ = now;
    if (PQsendQuery(connection_.get(), query.c_str()) != 1) {
        lose(Outcome::ConnectionLost, now, one_line(last_error()));
        return;
    }
    wants_write_ = PQflush(connection_.get()) == 1;
}

void Probe::on_ready(Instant now) {
    switch (state_) {
        case State::Closed: return;
        case State::Connecting: continue_connect(now); return;
        case State::Learning:
        case State::Asking: receive(now); return;
        case State::Idle: on_idle_input(); return;
    }
}

void Probe::receive(Instant now) {
    if (wants_write_) wants_write_ = PQflush(connection_.get()) == 1;
    if (PQconsumeInput(connection_.get()) != 1) {
        lose(Outcome::ConnectionLost, now, one_line(last_error()));
        return;
    }
    while (PQisBusy(connection_.get()) == 0) {
        ResultPtr next(PQgetResult(connection_.get()));
        if (next != nullptr) {
            result_ = std::move(next);
            continue;
        }
        const ResultPtr whole = std::move(result_);
        on_result(whole, now);
        return;
    }
}

void Probe::on_result(const ResultPtr& result, Instant now) {
    if (PQstatus(connection_.get()) == CONNECTION_BAD || result == nullptr) {
        lose(Outcome::ConnectionLost, now, one_line(last_error()));
    } else if (state_ == State::Learning) {
        on_learned(result, now);
    } else {
        on_answer(result, now);
    }
}

void Probe::on_learned(const ResultPtr& result, Instant now) {
    const bool is_good = PQresultStatus(result.get()) == PGRES_TUPLES_OK;
    is_reduced_ = !is_good;
    query_ =
        probe_query(is_good ? read_capabilities(columns_of(result.get())) : ProbeCapabilities());
    ask(now);
}

void Probe::on_answer(const ResultPtr& result, Instant now) {
    ProbeReport report;
    report.result.sent_at = sent_at_;
    report.result.round_trip = now - sent_at_;
    if (PQresultStatus(result.get()) == PGRES_TUPLES_OK) {
        read_probe_row(columns_of(result.get()), report);
        if (!report.has_role) report.detail = "the answer cannot be read";
        succeed(std::move(report));
        return;
    }
    const std::string_view state = sqlstate_of_result(result.get());
    const Outcome outcome = classify_sqlstate(state, {});
    const std::string detail = one_line(last_error());
    if (!is_refusal_of_a_live_server(outcome, state)) {
        lose(outcome, now, detail);
    } else if (!is_reduced_) {
        is_reduced_ = true;
        query_ = probe_query(ProbeCapabilities());
        ask(now);
    } else {
        report.detail = detail;
        succeed(std::move(report));
    }
}

void Probe::succeed(ProbeReport report) {
    report.result.outcome = Outcome::Success;
    report_ = std::move(report);
    transition(State::Idle);
}

// --- endings

void Probe::on_idle_input() {
    const bool is_read = PQconsumeInput(connection_.get()) == 1;
    // Lets libpq look at what came: notices, parameters, a farewell.
    if (is_read) (void)PQisBusy(connection_.get());
    if (is_read && PQstatus(connection_.get()) == CONNECTION_OK) return;
    connection_.reset();
    transition(State::Closed);
    is_lost_ = true;
}

void Probe::on_deadline(Instant now) {
    if (!is_busy()) return;
    const ProbePhase at = phase();
    const char* what = at == ProbePhase::Connect ? "no connection"
                       : at == ProbePhase::Query ? "no answer"
                                                 : "no end of the log-in";
    fail_probe(classify_deadline(at), now, std::string(what) + " within the time allowed");
}

void Probe::lose(Outcome outcome, Instant now, std::string detail) {
    is_lost_ = true;
    fail_probe(outcome, now, std::move(detail));
}

void Probe::fail_probe(Outcome outcome, Instant now, std::string detail) {
    ProbeReport report;
    report.result.outcome = outcome;
    report.result.sent_at = sent_at_;
    report.result.round_trip = now - sent_at_;
    report.detail = std::move(detail);
    report_ = std::move(report);
    result_.reset();
    connection_.reset();
    transition(State::Closed);
}

void Probe::transition(State to) {
    const bool is_allowed =
        to == State::Closed || (to == State::Connecting && state_ == State::Closed) ||
        (to == State::Learning && state_ == State::Connecting) ||
        (to == State::Asking && state_ != State::Closed && state_ != State::Connecting) ||
        (to == State::Idle && state_ == State::Asking);
    WEIR_CHECK(is_allowed);
    state_ = to;
}

// --- what others ask

int Probe::fd() const {
    return connection_ == nullptr ? -1 : PQsocket(connection_.get());
}

int16_t Probe::events() const {
    if (connection_ == nullptr) return 0;
    if (state_ == State::Connecting) return wants_write_ ? POLLOUT : POLLIN;
    return wants_write_ ? POLLIN | POLLOUT : POLLIN;
}

ProbePhase Probe::phase() const {
    if (state_ != State::Connecting) return ProbePhase::Query;
    switch (PQstatus(connection_.get())) {
        case CONNECTION_NEEDED:
        case CONNECTION_STARTED: return ProbePhase::Connect;
        case CONNECTION_SSL_STARTUP: return ProbePhase::Tls;
        default: return ProbePhase::Login;
    }
}

std::string Probe::last_error() const {
    return PQerrorMessage(connection_.get());
}

std::optional<ProbeReport> Probe::take_report() {
    return std::exchange(report_, std::nullopt);
}

bool Probe::take_loss() {
    return std::exchange(is_lost_, false);
}

}  // namespace weir
