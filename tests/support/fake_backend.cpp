#include "tests/support/fake_backend.h"

#include <algorithm>
#include <charconv>

#include "protocol/message/startup.h"
#include "protocol/message/writer.h"

namespace weir::sim {

namespace {

std::string_view word_at(std::string_view text, size_t index) {
    while (true) {
        const size_t end = std::min(text.find(' '), text.size());
        if (index-- == 0) return text.substr(0, end);
        if (end == text.size()) return {};
        text.remove_prefix(end + 1);
    }
}

int64_t number(std::string_view text) {
    int64_t out = -1;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
}

}  // namespace

int64_t client_of(std::string_view text) {
    const std::string_view token = word_at(text, 1);
    return token.size() > 1 && token[0] == 'c' ? number(token.substr(1)) : -1;
}

std::string answer_of(std::string_view text, std::string_view parameter) {
    std::string out(word_at(text, 1));
    if (!parameter.empty()) out.append("|").append(word_at(parameter, 1));
    const int64_t padding = number(word_at(parameter.empty() ? text : parameter, 2));
    if (padding > 0) out.append(static_cast<size_t>(padding), '.');
    return out;
}

FakeBackend::FakeBackend(FakeCluster& cluster, LinkPtr its_link, uint32_t its_pid,
                         uint32_t its_secret)
    : link(std::move(its_link)), pid(its_pid), secret(its_secret), cluster_(cluster) {}

bool FakeBackend::step(Instant now) {
    bool did = link->fly(cluster_.random, cluster_.is_calm);
    if (!link->to_peer.empty() && in_.size() < 400'000) {
        in_ += link->to_peer;
        link->to_peer.clear();
        did = true;
    }
    if (!out_.empty()) {
        const size_t before = out_.size();
        link->peer_send(out_);
        did = did || out_.size() != before;
        if (out_.size() > 8192) return did;
    }
    if (link->is_peer_closed) {
        is_over_ = true;
        return true;
    }
    if (!is_started_) {
        if (start()) return true;
    } else if (in_.size() >= 5) {
        const size_t total = load_be32(reinterpret_cast<const uint8_t*>(in_.data()) + 1) + 1;
        if (in_.size() >= total) {
            const std::string message = in_.substr(0, total);
            const std::string_view body = std::string_view(message).substr(5);
            if (is_busy(message[0], body, now)) return did;
            in_.erase(0, total);
            if (cluster_.trace.is_verbose()) {
                cluster_.trace.say("backend " + std::to_string(pid) + " gets " + message[0] + " " +
                                   std::string(body.substr(0, body.find_last_not_of('\0') + 1)));
            }
            on_message(message[0], body);
            if (!is_copy_in_ || message[0] == 'Q' || message[0] == 'E') is_cancelled_ = false;
            busy_until_ = {};
            return true;
        }
    }
    if (link->is_over_for_peer() || link->is_proxy_closed) {
        link->peer_close();
        is_over_ = true;
        return true;
    }
    return did;
}

// Commands take a while now and then; a cancel request ends that.
bool FakeBackend::is_busy(char tag, std::string_view body, Instant now) {
    if ((tag != 'Q' && tag != 'E') || is_skipping_ || is_copy_in_) return false;
    if (busy_until_.is_never()) {
        std::string_view text = body;
        if (tag == 'E') {
            const auto portal = portals_.find("");
            if (portal != portals_.end()) text = portal->second.first;
        }
        Prng& random = cluster_.random;
        int64_t us =
            random.chance(cluster_.slow) ? 1 + static_cast<int64_t>(random.below(3000)) : 0;
        if (text.starts_with("sleep")) us = 10'000 + static_cast<int64_t>(random.below(900'000));
        busy_until_ = now + Duration(us);
    }
    return now < busy_until_ && !is_cancelled_;
}

void FakeBackend::cancel() {
    if (!busy_until_.is_never() || is_copy_in_) is_cancelled_ = true;
}

void FakeBackend::crash(bool politely) {
    if (is_over_) return;
    // Its last word must not stand in the middle of a message.
    if (politely && is_started_ && out_.empty()) {
        std::string text;
        write_error(text, {.severity = "FATAL", .sqlstate = "57P01", .message = "terminating"});
        link->to_proxy_flight += text;
        link->has_peer_fin = link->is_peer_closed = true;
    } else {
        link->peer_reset();
    }
    is_over_ = true;
}

bool FakeBackend::start() {
    const auto total = startup_packet_bytes(as_bytes(in_));
    if (!total || *total == 0 || in_.size() < *total) return false;
    const std::string bytes = in_.substr(0, *total);
    in_.erase(0, *total);
    const auto packet = parse_startup_packet(as_bytes(bytes));
    if (!packet) {
        cluster_.trace.fail("backend got an invalid start-up packet");
        return true;
    }
    if (packet->kind == StartupPacket::Kind::Cancel) {
        cluster_.cancel(static_cast<uint32_t>(packet->cancel_key.word() >> 32),
                        static_cast<uint32_t>(packet->cancel_key.word()));
        link->peer_close();
        is_over_ = true;
        return true;
    }
    if (cluster_.random.chance(cluster_.refuse_login)) {
        std::string text;
        write_error(text, {.severity = "FATAL", .sqlstate = "53300", .message = "too many"});
        link->to_proxy_flight += text;
        link->has_peer_fin = link->is_peer_closed = is_over_ = true;
        return true;
    }
    is_started_ = true;
    cluster_.trace.note("backend started: pid, link", pid, link->id);
    write_auth_request(out_, AuthRequest::Ok);
    write_parameter_status(out_, "server_version", "15.0");
    write_parameter_status(out_, "application_name", application_);
    write_backend_key_data(out_, CancelKey::of_word(uint64_t{pid} << 32 | secret));
    ready();
    return true;
}

// ---- messages ----

void FakeBackend::on_message(char tag, std::string_view body) {
    if (tag == 'X') {
        link->peer_close();
        is_over_ = true;
        return;
    }
    if (is_copy_in_) return on_copy_data(tag, body);
    if (tag == 'd' || tag == 'c' || tag == 'f') return;
    if (tag == 'S') {
        is_skipping_ = is_extended_ = false;
        return ready();
    }
    if (is_skipping_) return;
    is_extended_ = tag != 'Q' && tag != 'F';
    switch (tag) {
        case 'Q': return on_query(body.substr(0, body.size() - 1));
        case 'P': return on_parse(body);
        case 'B': return on_bind(body);
        case 'D': return on_describe(body);
        case 'E': return on_execute(body);
        case 'C': return on_close(body);
        case 'F': return on_function_call(body);
        case 'H': return;
        default: cluster_.trace.fail(std::string("backend got message ") + tag);
    }
}

void FakeBackend::reply(char tag, std::string_view body) {
    MessageWriter writer(out_);
    writer.begin(static_cast<uint8_t>(tag));
    writer.text(body);
    writer.end();
}

void FakeBackend::complete(std::string_view tag) {
    write_command_complete(out_, tag);
}

void FakeBackend::ready() {
    if (status_ == 'I') portals_.clear();
    write_ready_for_query(out_, static_cast<TransactionStatus>(status_));
}

void FakeBackend::error(std::string_view state, std::string_view text) {
    write_error(out_, {.sqlstate = state, .message = text});
    if (status_ == 'T') status_ = 'E';
    if (is_extended_) is_skipping_ = true;
}

void FakeBackend::on_query(std::string_view sql) {
    cluster_.trace.note("query: pid, client, bytes", pid, client_of(sql),
                        static_cast<int64_t>(sql.size()));
    statements_.erase("");
    if (sql.empty()) {
        reply('I');
        return ready();
    }
    if (sql.starts_with("SET ")) {
        while (!sql.empty() && !is_over_) {
            const size_t end = std::min(sql.find(';'), sql.size());
            set(sql.substr(0, end));
            sql.remove_prefix(std::min(end + 1, sql.size()));
        }
    } else {
        while (!sql.empty()) {
            const size_t end = std::min(sql.find(';'), sql.size());
            if (!run(sql.substr(0, end), {}, true)) break;
            sql.remove_prefix(std::min(end + 1, sql.size()));
        }
    }
    if (!is_copy_in_) ready();
}

void FakeBackend::on_function_call(std::string_view body) {
    check_owner(body.substr(4));
    if (is_cancelled_) {
        error("57014", "canceling statement due to user request");
    } else if (status_ == 'E') {
        error("25P02", "current transaction is aborted");
    } else {
        reply('V', answer_of(body.substr(4), {}));
    }
    ready();
}

// `copyout TOKEN` gives three rows; `copyin TOKEN` wants rows that are the token; `copybad TOKEN`
// fails behind the first row.
bool FakeBackend::run_copy(std::string_view word, std::string_view command) {
    const std::string token(word_at(command, 1));
    const std::string_view format("\0\0\0", 3);
    if (word == "copyin") {
        is_copy_in_ = true;
        copy_token_ = token;
        copied_ = 0;
        reply('G', format);
        return true;
    }
    if (word != "copyout" && word != "copybad") return false;
    reply('H', format);
    const int rows = word == "copybad" ? 1 : 3;
    for (int i = 0; i < rows; ++i)
        reply('d', token);
    if (word == "copybad") {
        error("22012", "no more");
        return true;
    }
    reply('c');
    complete("COPY 3");
    return true;
}

void FakeBackend::on_copy_data(char tag, std::string_view body) {
    if (tag == 'S' || tag == 'H') return;
    if (tag == 'd' && !is_cancelled_ && body == copy_token_) {
        ++copied_;
        return;
    }
    is_copy_in_ = false;
    if (tag == 'c') {
        complete("COPY " + std::to_string(copied_));
    } else if (is_cancelled_) {
        error("57014", "canceling statement due to user request");
    } else if (tag == 'd' && body == "bad") {
        error("22012", "bad data");
    } else if (tag == 'f') {
        error("22012", "COPY from stdin failed");
    } else if (tag != 'd') {
        error("08P01", "unexpected message type during COPY from stdin");  // and it is gone
    } else {
        cluster_.trace.fail("backend wants data of " + copy_token_ + " but gets " + tag + " " +
                            std::string(body));
    }
    if (!is_extended_) ready();
}

// `SET application_name='x'` and the like.
void FakeBackend::set(std::string_view command) {
    if (command.starts_with("SET application_name='")) {
        application_ = command.substr(22, command.size() - 23);
        write_parameter_status(out_, "application_name", application_);
    }
    complete("SET");
}

void FakeBackend::discard_all() {
    statements_.clear();
    session_of_ = -1;
    if (application_ != first_application_) {
        application_ = first_application_;
        write_parameter_status(out_, "application_name", application_);
    }
}

// Whoever sends a command must find nothing of anybody else's.
void FakeBackend::check_owner(std::string_view text) {
    const int64_t client = client_of(text);
    if (client < 0) return;
    ++cluster_.commands;
    const std::string who = "backend " + std::to_string(pid) + ", client " + std::to_string(client);
    if (status_ != 'I' && transaction_of_ != client) {
        cluster_.trace.fail(who + ": in the transaction of " + std::to_string(transaction_of_));
    }
    if (cluster_.is_session_pooling && session_of_ >= 0 && session_of_ != client) {
        cluster_.trace.fail(who + ": in the session of " + std::to_string(session_of_));
    }
    const std::string name = "c" + std::to_string(client);
    if (application_ != name && application_ != name + "x") {
        cluster_.trace.fail(who + ": application_name is " + application_);
    }
    session_of_ = client;
}

bool FakeBackend::run_control(std::string_view word, std::string_view command) {
    if (word == "BEGIN") {
        status_ = 'T';
        transaction_of_ = client_of(command);
        complete("BEGIN");
    } else if (word == "COMMIT" || word == "ROLLBACK") {
        complete(status_ == 'E' ? "ROLLBACK" : word);
        status_ = 'I';
        portals_.clear();
    } else if (command == "DISCARD ALL") {
        if (status_ != 'I') {
            error("25001", "DISCARD ALL cannot run inside a transaction block");
            return true;
        }
        discard_all();
        complete("DISCARD ALL");
    } else if (command == "DEALLOCATE ALL") {
        statements_.clear();
        complete("DEALLOCATE ALL");
    } else {
        return false;
    }
    return true;
}

bool FakeBackend::run(std::string_view command, std::string_view parameter, bool describes) {
    const std::string_view word = word_at(command, 0);
    check_owner(parameter.empty() ? command : parameter);
    if (is_cancelled_) {
        error("57014", "canceling statement due to user request");
        return false;
    }
    const bool ends = word == "COMMIT" || word == "ROLLBACK";
    if (status_ == 'E' && !ends) {
        error("25P02", "current transaction is aborted");
        return false;
    }
    if (run_control(word, command) || run_copy(word, command)) return word != "copybad";
    if (word == "fail") {
        error("22012", "division by zero");
        return false;
    }
    if (word != "echo" && word != "sleep" && word != "prep") {
        cluster_.trace.fail("backend got command " + std::string(command));
        return false;
    }
    const Column column{"answer"};
    if (describes) write_row_description(out_, {&column, 1});
    const std::string answer = answer_of(command, parameter);
    const std::string* const value = &answer;
    write_data_row(out_, {&value, 1});
    complete("SELECT 1");
    return true;
}

// ---- the extended protocol ----

void FakeBackend::on_parse(std::string_view body) {
    ByteReader reader(as_bytes(body));
    const std::string name(reader.cstring());
    const std::string text(reader.cstring());
    if (status_ == 'E') return error("25P02", "current transaction is aborted");
    if (!name.empty() && statements_.contains(name))
        return error("42P05", "prepared statement already exists: " + name);
    statements_[name] = text;
    reply('1');
}

void FakeBackend::on_bind(std::string_view body) {
    ByteReader reader(as_bytes(body));
    const std::string portal(reader.cstring());
    const std::string name(reader.cstring());
    if (status_ == 'E') return error("25P02", "current transaction is aborted");
    const auto statement = statements_.find(name);
    if (statement == statements_.end()) return error("26000", "no such statement: " + name);
    reader.bytes(2U * reader.u16());
    std::string parameter;
    if (reader.u16() == 1) parameter = as_text(reader.bytes(reader.u32()));
    if (!reader.ok()) cluster_.trace.fail("backend got an invalid Bind");
    portals_[portal] = {statement->second, parameter};
    reply('2');
}

void FakeBackend::on_describe(std::string_view body) {
    const std::string name(body.substr(1, body.size() - 2));
    const Column column{"answer"};
    if (body[0] == 'S') {
        if (!statements_.contains(name)) return error("26000", "no such statement: " + name);
        const uint32_t type = 25;
        write_parameter_description(out_, {&type, 1});
    } else if (!portals_.contains(name)) {
        return error("34000", "no such portal");
    }
    write_row_description(out_, {&column, 1});
}

void FakeBackend::on_execute(std::string_view body) {
    const auto portal = portals_.find(std::string(body.substr(0, body.find('\0'))));
    if (portal == portals_.end()) return error("34000", "no such portal");
    const auto [text, parameter] = portal->second;
    cluster_.trace.note("execute: pid, client", pid, client_of(parameter));
    (void)run(text, parameter, false);
}

void FakeBackend::on_close(std::string_view body) {
    const std::string name(body.substr(1, body.size() - 2));
    if (body[0] == 'S') statements_.erase(name);
    if (body[0] == 'P') portals_.erase(name);
    reply('3');
}

// ---- FakeCluster ----

bool FakeCluster::accept(Instant) {
    if (net.incoming.empty()) return false;
    const size_t index = random.below(net.incoming.size());
    const LinkPtr link = net.incoming[index];
    net.incoming.erase(net.incoming.begin() + static_cast<ptrdiff_t>(index));
    if (link->is_proxy_closed) return true;
    if (is_down) {
        link->state = Link::State::Refused;
        return true;
    }
    link->state = Link::State::Up;
    const auto secret = static_cast<uint32_t>(random.next());
    backends_.push_back(std::make_unique<FakeBackend>(*this, link, ++last_pid_, secret));
    return true;
}

bool FakeCluster::step(Instant now) {
    if (backends_.empty()) return false;
    const size_t index = random.below(backends_.size());
    const bool did = backends_[index]->step(now);
    if (backends_[index]->is_over()) {
        // What it has sent last still flies; the net moves it when the proxy asks.
        const LinkPtr link = backends_[index]->link;
        link->to_proxy += link->to_proxy_flight;
        link->to_proxy_flight.clear();
        if (!link->to_peer_flight.empty()) link->is_reset = true;
        backends_.erase(backends_.begin() + static_cast<ptrdiff_t>(index));
    }
    return did;
}

void FakeCluster::cancel(uint32_t pid, uint32_t secret) {
    for (auto& backend : backends_) {
        if (backend->pid != pid || backend->secret != secret) continue;
        trace.note("cancel arrives: pid", pid);
        backend->cancel();
    }
}

void FakeCluster::crash_one() {
    if (backends_.empty()) return;
    FakeBackend& victim = *backends_[random.below(backends_.size())];
    trace.note("crash: pid, link", victim.pid, victim.link->id);
    victim.crash(random.chance(50));
}

size_t FakeCluster::connections(uint16_t port) const {
    size_t out = 0;
    for (const auto& backend : backends_)
        out += backend->link->port == port && backend->counts() ? 1 : 0;
    return out;
}

}  // namespace weir::sim
