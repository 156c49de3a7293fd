#include "admin/top/console_client.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

namespace weir {

namespace {

constexpr double kConnectSeconds = 5, kAnswerSeconds = 10;
constexpr int kLookMs = 100;

std::string one_line(const char* text) {
    std::string out;
    for (const char c : std::string_view(text == nullptr ? "" : text)) {
        const bool is_blank = c == '\n' || c == '\t' || c == ' ';
        if (!is_blank) out += c;
        if (is_blank && !out.empty() && out.back() != ' ') out += ' ';
    }
    if (!out.empty() && out.back() == ' ') out.pop_back();
    return out;
}

struct ResultDeleter {
    void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, ResultDeleter>;

TopTable table_of(const PGresult& result) {
    TopTable table;
    const int columns = PQnfields(&result);
    for (int column = 0; column < columns; ++column)
        table.columns.emplace_back(PQfname(&result, column));
    for (int row = 0; row < PQntuples(&result); ++row) {
        std::vector<std::string>& cells = table.rows.emplace_back();
        for (int column = 0; column < columns; ++column)
            cells.emplace_back(PQgetvalue(&result, row, column));
    }
    return table;
}

}  // namespace

double seconds_now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

ConsoleClient::ConsoleClient(std::string where, std::function<bool()> go_on)
    : where_(std::move(where)), go_on_(std::move(go_on)) {}

ConsoleClient::~ConsoleClient() {
    close();
}

void ConsoleClient::close() {
    if (connection_ != nullptr) PQfinish(connection_);
    connection_ = nullptr;
}

tl::unexpected<Error> ConsoleClient::lost(std::string text) {
    close();
    return fail("08006", std::move(text));
}

bool ConsoleClient::wait(Until what, double deadline_s) {
    while (go_on_()) {
        pollfd socket{};
        socket.fd = PQsocket(connection_);
        socket.events = what == Until::Readable ? POLLIN : POLLOUT;
        const double left_ms = (deadline_s - seconds_now()) * 1000;
        const int look_ms = static_cast<int>(std::clamp(left_ms, 0.0, double{kLookMs})) + 1;
        if (poll(&socket, 1, look_ms) > 0) return true;
        if (seconds_now() > deadline_s) return false;
    }
    return false;
}

Status ConsoleClient::connect() {
    close();
    std::vector<const char*> names, values;
    const auto set = [&](const char* name, const char* value) {
        names.push_back(name);
        values.push_back(value);
    };
    // What stands first is overridden by the connection string.
    if (std::getenv("PGHOST") == nullptr && std::getenv("PGHOSTADDR") == nullptr)
        set("host", "/tmp,/var/run/postgresql,localhost");
    if (std::getenv("PGPORT") == nullptr) set("port", "6432");
    set("dbname", "pgbouncer");
    set("fallback_application_name", "weir top");
    char* problem = nullptr;
    PQconninfoOption* given = where_.empty() ? nullptr : PQconninfoParse(where_.c_str(), &problem);
    if (!where_.empty() && given == nullptr) {
        const std::string text = one_line(problem);
        PQfreemem(problem);
        return fail("08P01", text);
    }
    for (const PQconninfoOption* option = given; option != nullptr && option->keyword != nullptr;
         ++option) {
        if (option->val != nullptr) set(option->keyword, option->val);
    }
    set(nullptr, nullptr);
    connection_ = PQconnectStartParams(names.data(), values.data(), 0);
    PQconninfoFree(given);
    if (connection_ == nullptr) return fail("53200", "out of memory");
    const double deadline = seconds_now() + kConnectSeconds;
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (status != PGRES_POLLING_OK) {
        if (status == PGRES_POLLING_FAILED || PQstatus(connection_) == CONNECTION_BAD)
            return lost(one_line(PQerrorMessage(connection_)));
        const Until what = status == PGRES_POLLING_READING ? Until::Readable : Until::Writable;
        if (!wait(what, deadline)) return lost("no answer");
        status = PQconnectPoll(connection_);
    }
    PQsetNoticeReceiver(
        connection_, [](void*, const PGresult*) {}, nullptr);
    return {};
}

Result<TopTable> ConsoleClient::ask(const std::string& query) {
    if (connection_ == nullptr) return fail("08003", "not connected");
    if (PQsendQuery(connection_, query.c_str()) == 0)
        return lost(one_line(PQerrorMessage(connection_)));
    const double deadline = seconds_now() + kAnswerSeconds;
    TopTable table;
    std::string refused;
    while (true) {
        while (PQisBusy(connection_) != 0) {
            if (!wait(Until::Readable, deadline)) return lost("no answer");
            if (PQconsumeInput(connection_) == 0)
                return lost(one_line(PQerrorMessage(connection_)));
        }
        const ResultPtr result(PQgetResult(connection_));
        if (result == nullptr) break;
        const ExecStatusType status = PQresultStatus(result.get());
        if (status == PGRES_TUPLES_OK) table = table_of(*result);
        if (status == PGRES_FATAL_ERROR) refused = one_line(PQresultErrorMessage(result.get()));
        if (PQstatus(connection_) == CONNECTION_BAD) return lost(refused);
    }
    if (!refused.empty()) return fail("08P01", refused);
    return table;
}

void ConsoleClient::idle(double seconds) {
    (void)wait(Until::Readable, seconds_now() + seconds);
}

std::string ConsoleClient::server() const {
    if (connection_ == nullptr) return "";
    return std::string(PQhost(connection_)) + ":" + PQport(connection_);
}

}  // namespace weir
