// What the tests of the console share: an Inspector and an outlet that do as they are told,
// frontend messages, and answers taken apart.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/console/console.h"
#include "protocol/base/bytes.h"
#include "protocol/message/writer.h"
#include "proxy/inspector.h"

namespace weir::console_test {

class FakeInspector final : public Inspector {
  public:
    FakeInspector() {
        add_database("app");
        add_database("my-db");
        config_->global.admin_users = {"admin"};
        config_->global.stats_users = {"stats"};
        config_->secrets["admin"] = "secret";
        time = Instant{1'000'000'000};
    }

    void add_database(const std::string& name) {
        DatabaseConfig database;
        database.name = name;
        database.dbname = name;
        database.hosts = {"127.0.0.1"};
        config_->databases[name] = database;
    }
    Config& mutable_config() { return *config_; }
    Pool& pool(const std::string& database, const std::string& user) {
        return pools_.find_or_create(*config_, *config_->find_database(database), user).first();
    }
    // Delivers the oldest snapshot that is waited for.
    void deliver_snapshot() {
        auto done = std::move(waiting_snapshots.front());
        waiting_snapshots.pop_front();
        done(picture);
    }

    // ---- Inspector ----
    ConfigPtr config() const override { return config_; }
    PoolSet& pools() override { return pools_; }
    RateRulesPtr rate_rules() override { return rates.rules(); }
    AuthFailures& auth_failures() override { return wrong_passwords; }
    unsigned workers() const override { return 2; }
    Instant now() override { return time; }
    // 2026-01-31 12:00:00 UTC at the time the test begins with.
    int64_t wall_us(Instant at) override {
        return 1'769'860'800'000'000 + (at - Instant{1'000'000'000}).count();
    }
    const EventLog& events() const override { return event_log; }
    std::vector<HostTable::Row> dns_hosts() const override { return hosts; }
    std::vector<HostTable::Zone> dns_zones() const override { return zones; }
    std::vector<ListeningSocket> listening_sockets() const override { return listening; }
    void snapshot(bool with_details,
                  std::function<void(std::vector<WorkerSnapshot>)> done) override {
        were_details_asked = with_details;
        if (!snapshots_wait) return done(picture);
        waiting_snapshots.push_back(std::move(done));
    }
    void census(std::function<void(std::vector<WorkerCensus>)> done) override { done(counted); }
    std::vector<WorkerView> worker_views() override {
        return {{&worker_counters[0], std::chrono::milliseconds(1500)},
                {&worker_counters[1], std::chrono::milliseconds(250)}};
    }
    ConfigAge config_age() const override { return age; }
    void health(std::function<void(HealthSnapshot)> done) override {
        if (!answers_wait) return done(backends);
        waiting_answers.push_back([this, done = std::move(done)] { done(backends); });
    }
    void queries(size_t, bool, std::function<void(InsightSnapshot)> done) override {
        if (!answers_wait) return done(insight);
        waiting_answers.push_back([this, done = std::move(done)] { done(insight); });
    }
    void reset_queries(std::function<void(Status)> done) override {
        answer(note("reset queries"), std::move(done));
    }
    void order(HealthRegistry::Order order, std::string backend,
               std::function<void(Status)> done) override {
        answer(note("order " + std::to_string(static_cast<int>(order)) + " " + backend),
               std::move(done));
    }
    void reweight(std::string backend, std::optional<double> weight,
                  std::function<void(Status)> done) override {
        answer(note("reweight " + backend + " " + (weight ? std::to_string(*weight) : "default")),
               std::move(done));
    }
    // Gives the oldest answer of the health thread that is waited for.
    void deliver_answer() {
        const auto call = std::move(waiting_answers.front());
        waiting_answers.pop_front();
        call();
    }
    Status reload() override { return note("reload"); }
    Status add_backend(const BackendAddition& wanted) override {
        return note("add " + wanted.name + " '" + wanted.settings + "' to " + wanted.database);
    }
    Status remove_backend(const std::string& name,
                          const std::optional<std::string>& database) override {
        return note("remove " + name + " from " + database.value_or("all"));
    }
    Status pause(const std::optional<std::string>& database) override {
        Status status = note("pause " + database.value_or("*"));
        if (status) set_paused(database, true);
        return status;
    }
    bool is_quiet(const std::optional<std::string>&) override { return quiet; }
    Status resume(const std::optional<std::string>& database) override {
        Status status = note("resume " + database.value_or("*"));
        if (status) set_paused(database, false);
        return status;
    }
    Status kill(const std::optional<std::string>& database) override {
        return note("kill " + database.value_or("*"));
    }
    void kill_client(uint64_t id, std::function<void(Status)> done) override {
        answer(note("kill_client " + std::to_string(id)), std::move(done));
    }
    Status set_disabled(const std::string& database, bool is_disabled) override {
        return note((is_disabled ? "disable " : "enable ") + database);
    }
    Status reconnect(const std::optional<std::string>& database) override {
        return note("reconnect " + database.value_or("*"));
    }
    Result<size_t> outdated(const std::optional<std::string>& database) override {
        if (database && !config_->find_database(*database))
            return fail("08P01", "no such database: " + *database);
        return old_connections;
    }
    Status suspend() override {
        const Status status = note("suspend");
        if (status) suspended = true;
        return status;
    }
    bool is_suspended() const override { return suspended; }
    bool is_flushed() const override { return flushed; }
    Status set_option(const std::string& name, const std::string& value) override {
        return note("set " + name + " to " + value);
    }
    Status shutdown(ShutdownMode mode) override {
        return note("shutdown " + std::to_string(static_cast<int>(mode)));
    }
    Status hand_over(ClientId) override { return note("hand over"); }
    bool is_paused() const override { return paused; }
    bool is_shutting_down() const override { return false; }

    RateLimiter rates;
    EventLog event_log;
    AuthFailures wrong_passwords;
    Instant time;
    std::vector<WorkerSnapshot> picture = std::vector<WorkerSnapshot>(2);
    bool snapshots_wait = false;
    std::deque<std::function<void(std::vector<WorkerSnapshot>)>> waiting_snapshots;
    std::vector<WorkerCensus> counted = std::vector<WorkerCensus>(2);
    std::array<WorkerCounters, 2> worker_counters;
    ConfigAge age{Instant{1'000'000'000}, Instant{1'000'000'000}, true};
    HealthSnapshot backends;
    InsightSnapshot insight;
    bool answers_wait = false;
    std::deque<std::function<void()>> waiting_answers;
    std::vector<HostTable::Row> hosts = std::vector<HostTable::Row>(3);
    std::vector<HostTable::Zone> zones;
    std::vector<ListeningSocket> listening;
    bool were_details_asked = false;
    size_t old_connections = 0;
    bool suspended = false;
    bool flushed = true;
    bool quiet = true;
    bool paused = false;
    std::optional<Error> next_error;  // of the next command
    std::vector<std::string> calls;

  private:
    Status note(std::string call) {
        calls.push_back(std::move(call));
        if (!next_error) return {};
        const Error error = *std::exchange(next_error, std::nullopt);
        return tl::unexpected<Error>(error);
    }
    void answer(Status status, std::function<void(Status)> done) {
        if (!answers_wait) return done(std::move(status));
        waiting_answers.push_back(
            [done = std::move(done), status = std::move(status)] { done(status); });
    }
    void set_paused(const std::optional<std::string>& database, bool is) {
        if (!database) {
            paused = is;
            suspended = suspended && is;
        } else if (const auto entry = config_->find_database(*database)) {
            pools_.database(*config_, *entry).paused.store(is);
        }
    }

    std::shared_ptr<Config> config_ = std::make_shared<Config>();
    EndpointTable endpoints_{2};
    PoolSet pools_{2, endpoints_};
};

// ---- frontend messages ----

inline std::string message(char tag, std::string_view body = {}) {
    std::string out;
    MessageWriter w(out);
    w.begin(static_cast<uint8_t>(tag));
    w.text(body);
    w.end();
    return out;
}
inline std::string be16(uint16_t v) {
    uint8_t b[2];
    store_be16(b, v);
    return std::string(as_text(b));
}
inline std::string be32(uint32_t v) {
    uint8_t b[4];
    store_be32(b, v);
    return std::string(as_text(b));
}
inline std::string cstring(std::string_view text) {
    return std::string(text) + '\0';
}

inline std::string query(std::string_view sql) {
    return message('Q', cstring(sql));
}
inline std::string parse(std::string_view name, std::string_view sql,
                         const std::vector<uint32_t>& types = {}) {
    std::string body = cstring(name) + cstring(sql) + be16(static_cast<uint16_t>(types.size()));
    for (const uint32_t type : types)
        body += be32(type);
    return message('P', body);
}
inline std::string bind_portal(std::string_view portal, std::string_view statement,
                               const std::vector<uint16_t>& formats = {},
                               const std::vector<std::string>& values = {}) {
    std::string body = cstring(portal) + cstring(statement) + be16(0);
    body += be16(static_cast<uint16_t>(values.size()));
    for (const std::string& value : values)
        body += be32(static_cast<uint32_t>(value.size())) + value;
    body += be16(static_cast<uint16_t>(formats.size()));
    for (const uint16_t format : formats)
        body += be16(format);
    return message('B', body);
}
inline std::string describe(char kind, std::string_view name = {}) {
    return message('D', kind + cstring(name));
}
inline std::string close(char kind, std::string_view name) {
    return message('C', kind + cstring(name));
}
inline std::string execute(std::string_view portal = {}, uint32_t rows_max = 0) {
    return message('E', cstring(portal) + be32(rows_max));
}
inline std::string sync() {
    return message('S');
}
inline std::string flush() {
    return message('H');
}

// ---- answers ----

using Texts = std::vector<std::optional<std::string>>;

struct Answer {
    std::string types;  // one letter per message
    std::vector<std::string> bodies;
    std::vector<std::string> columns;
    std::vector<uint32_t> column_types;
    std::vector<uint16_t> column_formats;
    std::vector<Texts> rows;
    std::vector<std::string> tags;
    std::map<char, std::string> error;  // fields of the last one
    std::map<char, std::string> notice;

    [[nodiscard]] std::string cell(size_t row, std::string_view column) const {
        for (size_t i = 0; i < columns.size(); ++i) {
            if (columns[i] == column) return rows.at(row).at(i).value_or("NULL");
        }
        return "no such column";
    }
    // The first row whose first column is `key`, as column -> text.
    [[nodiscard]] std::map<std::string, std::string> row(std::string_view key) const {
        std::map<std::string, std::string> out;
        for (const Texts& texts : rows) {
            if (texts.at(0) != key) continue;
            for (size_t i = 0; i < columns.size(); ++i)
                out[columns[i]] = texts[i].value_or("NULL");
            break;
        }
        return out;
    }
};

inline std::map<char, std::string> fields_of(ByteView body) {
    std::map<char, std::string> fields;
    ByteReader r(body);
    while (const uint8_t code = r.u8())
        fields[static_cast<char>(code)] = r.cstring();
    return fields;
}

inline void take_columns(Answer& answer, ByteView body) {
    ByteReader r(body);
    answer.columns.clear();
    answer.column_types.clear();
    answer.column_formats.clear();
    for (uint16_t left = r.u16(); left > 0; --left) {
        answer.columns.emplace_back(r.cstring());
        r.bytes(6);
        answer.column_types.push_back(r.u32());
        r.bytes(6);
        answer.column_formats.push_back(r.u16());
    }
}

inline void take_row(Answer& answer, ByteView body) {
    ByteReader r(body);
    Texts& row = answer.rows.emplace_back();
    for (uint16_t left = r.u16(); left > 0; --left) {
        const int32_t bytes = r.i32();
        if (bytes < 0) {
            row.emplace_back(std::nullopt);
        } else {
            row.emplace_back(as_text(r.bytes(static_cast<size_t>(bytes))));
        }
    }
}

// Throws when the bytes are not whole messages.
inline Answer take_apart(std::string_view bytes) {
    Answer answer;
    while (!bytes.empty()) {
        const ByteView view = as_bytes(bytes);
        if (bytes.size() < 5 || bytes.size() < 1 + size_t{load_be32(view.data() + 1)}) {
            throw std::runtime_error("a broken answer");
        }
        const size_t total = 1 + size_t{load_be32(view.data() + 1)};
        const ByteView body = view.subspan(5, total - 5);
        const char type = bytes[0];
        answer.types += type;
        answer.bodies.emplace_back(as_text(body));
        if (type == 'T') take_columns(answer, body);
        if (type == 'D') take_row(answer, body);
        if (type == 'C') answer.tags.emplace_back(as_text(body.first(body.size() - 1)));
        if (type == 'E') answer.error = fields_of(body);
        if (type == 'N') answer.notice = fields_of(body);
        bytes.remove_prefix(total);
    }
    return answer;
}

// ---- a console and its clients ----

class Fixture : public ConsoleOutlet {
  public:
    void reply(ClientId client, std::string bytes, std::vector<AttachedDescriptor> descriptors,
               bool close_after) override {
        for (AttachedDescriptor& one : descriptors) {
            one.at += sent[client.slot].size();
            attached.push_back(std::move(one));
        }
        sent[client.slot] += bytes;
        if (close_after) closed.push_back(client.slot);
    }

    void send(std::string_view messages, uint32_t slot = 1, bool is_admin = true) {
        console.on_messages(client(slot, is_admin), messages);
    }
    // What has come back since the last time.
    Answer receive(uint32_t slot = 1) { return take_apart(std::exchange(sent[slot], "")); }
    Answer run(std::string_view sql, uint32_t slot = 1, bool is_admin = true) {
        send(query(sql), slot, is_admin);
        return receive(slot);
    }
    Answer exchange(std::string_view messages, uint32_t slot = 1) {
        send(messages, slot);
        return receive(slot);
    }
    [[nodiscard]] bool is_closed(uint32_t slot = 1) const {
        return std::find(closed.begin(), closed.end(), slot) != closed.end();
    }
    static VirtualDatabase::Client client(uint32_t slot, bool is_admin = true) {
        return {id(slot), is_admin ? "admin" : "stats", "pgbouncer", "10.0.0.9:4000", is_admin};
    }
    static ClientId id(uint32_t slot) { return {slot, 7, 0}; }

    FakeInspector inspector;
    Console console{inspector, *this};
    std::map<uint32_t, std::string> sent;
    std::vector<uint32_t> closed;
    std::vector<AttachedDescriptor> attached;
};

}  // namespace weir::console_test
