// A backend that costs next to nothing, so that what is left to measure is the proxy in front of
// it. It logs anybody in and answers every message at once with canned bytes: one recv and one
// send per batch of messages. It keeps only the state that a pooler relies on: transaction status
// (BEGIN, COMMIT, ROLLBACK), reported parameters (SET, RESET, DISCARD ALL), what kind of command a
// prepared statement is. "select repeat('x',S) from generate_series(1,N)" really sends N rows of S
// bytes; every other query gives one row "1". It checks nothing: it is no test of correctness.
// Thread: a Server and its connections belong to one thread for life.

#include <strings.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "bench/load/arguments.h"
#include "bench/load/message.h"
#include "bench/load/net.h"

namespace weir::bench {
namespace {

constexpr std::string_view kUsage = "usage: weir-instant-backend --port N [--threads 1]\n";
constexpr size_t kMessageBytesMax = 64 * 1024 * 1024;
constexpr size_t kStreamBlockBytes = 256 * 1024;

enum class Command { Empty, Begin, Commit, Rollback, Set, Reset, Discard, Select, Stream };

struct Parameter {
    std::string name;
    std::string value;
    std::string at_login;
};

struct Connection {
    Fd fd;
    bool logged_in = false;
    bool in_transaction = false;
    std::string in;      // the start of a message whose rest has not come yet
    std::string unsent;  // while not empty, nothing more is read
    std::vector<Parameter> parameters;
    std::unordered_map<std::string, Command> statements;
    Command portal = Command::Empty;
    std::string stream_block;  // whole rows, sent again and again until stream_rows is 0
    uint64_t stream_rows = 0;
    uint64_t stream_rows_total = 0;
    size_t stream_row_bytes = 0;
    bool closed = false;
};

bool same_word(std::string_view left, std::string_view right) {
    return left.size() == right.size() &&
           ::strncasecmp(left.data(), right.data(), left.size()) == 0;
}

std::string_view take_word(std::string_view& text) {
    constexpr std::string_view kBlank = " \t\r\n";
    text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
    const size_t end = std::min(text.find_first_of(" \t\r\n=;"), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end);
    return word;
}

Command command_of(std::string_view sql) {
    const std::string_view word = take_word(sql);
    if (word.empty()) return Command::Empty;
    if (same_word(word, "select")) {
        return sql.starts_with(" repeat('x',") ? Command::Stream : Command::Select;
    }
    if (same_word(word, "begin") || same_word(word, "start")) return Command::Begin;
    if (same_word(word, "commit") || same_word(word, "end")) return Command::Commit;
    if (same_word(word, "rollback") || same_word(word, "abort")) return Command::Rollback;
    if (same_word(word, "set")) return Command::Set;
    if (same_word(word, "reset")) return Command::Reset;
    if (same_word(word, "discard")) return Command::Discard;
    return Command::Select;
}

// Takes one statement off the front of a simple query; a ';' inside quotes does not end it.
std::string_view take_statement(std::string_view& sql) {
    char quote = '\0';
    size_t end = 0;
    for (; end < sql.size(); end++) {
        const char c = sql[end];
        if (quote != '\0') {
            if (c == quote) quote = '\0';
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == ';') {
            break;
        }
    }
    const std::string_view statement = sql.substr(0, end);
    sql.remove_prefix(std::min(end + 1, sql.size()));
    return statement;
}

uint64_t number_after(std::string_view text, std::string_view marker) {
    const size_t at = text.find(marker);
    if (at == std::string_view::npos) return 0;
    text.remove_prefix(at + marker.size());
    uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

void append_row_description(std::string& out) {
    const MessageScope scope(out, 'T');
    append_u16(out, 1);
    append_cstring(out, "?column?");
    append_u32(out, 0);           // table
    append_u16(out, 0);           // column of the table
    append_u32(out, 23);          // int4
    append_u16(out, 4);           // size
    append_u32(out, 0xffffffff);  // type modifier
    append_u16(out, 0);           // text format
}

void append_data_row(std::string& out, std::string_view value) {
    const MessageScope scope(out, 'D');
    append_u16(out, 1);
    append_u32(out, static_cast<uint32_t>(value.size()));
    out.append(value);
}

void append_tag(std::string& out, const std::string& tag) {
    append_message(out, 'C', std::string_view(tag.c_str(), tag.size() + 1));
}

void append_parameter(std::string& out, const Parameter& parameter) {
    const MessageScope scope(out, 'S');
    append_cstring(out, parameter.name);
    append_cstring(out, parameter.value);
}

class Server {
  public:
    Server() : block_(256 * 1024) {}

    Hub& hub() { return hub_; }
    [[noreturn]] void run() { hub_.run(*this); }

    void on_accepted(int fd) {
        auto* connection = new Connection;
        connection->fd = Fd(fd);
        hub_.epoll().add(fd, EPOLLIN, connection);
    }

    void on_event(void* owner, uint32_t events) {
        Connection& connection = *static_cast<Connection*>(owner);
        if (connection.closed) return;
        if ((events & EPOLLOUT) != 0) {
            on_writable(connection);
        } else {
            on_readable(connection);
        }
    }

    void on_batch_end() { dead_.clear(); }

  private:
    void on_readable(Connection& connection) {
        const ssize_t got = ::recv(connection.fd.get(), block_.data(), block_.size(), 0);
        if (got <= 0) {
            if (got == 0 || (errno != EAGAIN && errno != EINTR)) close(connection);
            return;
        }
        std::string_view bytes(block_.data(), static_cast<size_t>(got));
        if (connection.in.empty()) {
            bytes.remove_prefix(answer(connection, bytes));
            if (!connection.closed) connection.in.assign(bytes);
        } else {
            connection.in.append(bytes);
            answer_kept(connection);
        }
        if (!connection.closed) flush(connection);
    }

    void on_writable(Connection& connection) {
        if (!send_some(connection, connection.unsent)) return;
        if (connection.stream_rows > 0) {
            send_rows(connection);
            return;
        }
        hub_.epoll().modify(connection.fd.get(), EPOLLIN, &connection);
        answer_kept(connection);
        if (!connection.closed) flush(connection);
    }

    void answer_kept(Connection& connection) {
        const size_t used = answer(connection, connection.in);
        if (!connection.closed) connection.in.erase(0, used);
    }

    // Answers every whole message, into out_; returns how many bytes they were.
    size_t answer(Connection& connection, std::string_view bytes) {
        size_t used = 0;
        while (!connection.closed && connection.stream_rows == 0) {
            const std::string_view rest = bytes.substr(used);
            const size_t header = connection.logged_in ? 5 : 4;
            if (rest.size() < header) break;
            const size_t size = load_u32(rest.data() + header - 4) + header - 4;
            if (size < header || size > kMessageBytesMax) {
                close(connection);
                break;
            }
            if (rest.size() < size) break;
            const std::string_view body = rest.substr(header, size - header);
            used += size;
            if (connection.logged_in) {
                on_message(connection, rest[0], body);
            } else {
                on_startup(connection, body);
            }
        }
        return used;
    }

    void on_startup(Connection& connection, std::string_view body) {
        if (body.size() < 4) return close(connection);
        const uint32_t code = load_u32(body.data());
        body.remove_prefix(4);
        if (code == kSslRequest || code == kGssEncRequest) {
            out_.push_back('N');
            return;
        }
        if (code == kCancelRequest || code >> 16 != 3) return close(connection);
        log_in(connection, code & 0xffff, body);
    }

    void log_in(Connection& connection, uint32_t minor_version, std::string_view body) {
        connection.parameters = {{"server_version", "15.0", ""},
                                 {"server_encoding", "UTF8", ""},
                                 {"client_encoding", "UTF8", ""},
                                 {"DateStyle", "ISO, MDY", ""},
                                 {"IntervalStyle", "postgres", ""},
                                 {"TimeZone", "UTC", ""},
                                 {"integer_datetimes", "on", ""},
                                 {"standard_conforming_strings", "on", ""},
                                 {"application_name", "", ""},
                                 {"is_superuser", "off", ""},
                                 {"session_authorization", "", ""},
                                 {"in_hot_standby", "off", ""},
                                 {"default_transaction_read_only", "off", ""}};
        if (minor_version > 0) {
            const MessageScope scope(out_, 'v');
            append_u32(out_, kProtocolVersion30);
            append_u32(out_, 0);
        }
        while (!body.empty() && body.front() != '\0') {
            const std::string_view name = take_cstring(body);
            const std::string_view value = take_cstring(body);
            Parameter* known = find(connection, name == "user" ? "session_authorization" : name);
            if (known != nullptr) known->value = value;
        }
        append_message(out_, 'R', std::string_view("\0\0\0\0", 4));
        for (Parameter& parameter : connection.parameters) {
            parameter.at_login = parameter.value;
            append_parameter(out_, parameter);
        }
        const uint32_t id = next_id_.fetch_add(1);
        {
            const MessageScope scope(out_, 'K');
            append_u32(out_, id);
            append_u32(out_, id * 2654435761u);
        }
        connection.logged_in = true;
        append_ready(connection);
    }

    void on_message(Connection& connection, char tag, std::string_view body) {
        switch (tag) {
            case 'Q': on_query(connection, take_cstring(body)); break;
            case 'P': {
                const std::string_view name = take_cstring(body);
                const Command command = command_of(take_cstring(body));
                connection.statements[std::string(name)] = command;
                append_message(out_, '1');
                break;
            }
            case 'B': {
                take_cstring(body);
                const auto found = connection.statements.find(std::string(take_cstring(body)));
                connection.portal =
                    found == connection.statements.end() ? Command::Select : found->second;
                append_message(out_, '2');
                break;
            }
            case 'D': on_describe(connection, body); break;
            case 'E': on_execute(connection); break;
            case 'C':
                if (body.starts_with('S')) {
                    connection.statements.erase(std::string(body.substr(1, body.size() - 2)));
                }
                append_message(out_, '3');
                break;
            case 'S': append_ready(connection); break;
            case 'X': close(connection); break;
            default: break;  // Flush and Copy messages want no answer.
        }
    }

    void on_query(Connection& connection, std::string_view sql) {
        if (command_of(sql) == Command::Stream) return start_stream(connection, sql);
        if (sql.find_first_not_of("; \t\r\n") == std::string_view::npos) {
            append_message(out_, 'I');
        }
        while (!sql.empty()) {
            const std::string_view statement = take_statement(sql);
            const Command command = command_of(statement);
            if (command == Command::Select) append_row_description(out_);
            if (command != Command::Empty) execute(connection, command, statement);
        }
        append_ready(connection);
    }

    void on_describe(Connection& connection, std::string_view body) {
        Command command = connection.portal;
        if (body.starts_with('S')) {
            append_message(out_, 't', std::string_view("\0\0", 2));
            const std::string name(body.substr(1, body.size() - 2));
            const auto found = connection.statements.find(name);
            command = found == connection.statements.end() ? Command::Select : found->second;
        }
        if (command == Command::Select || command == Command::Stream) {
            append_row_description(out_);
        } else {
            append_message(out_, 'n');
        }
    }

    void on_execute(Connection& connection) {
        if (connection.portal == Command::Empty) {
            append_message(out_, 'I');
        } else {
            execute(connection, connection.portal, {});
        }
    }

    void execute(Connection& connection, Command command, std::string_view sql) {
        switch (command) {
            case Command::Empty: break;
            case Command::Begin:
                connection.in_transaction = true;
                append_tag(out_, "BEGIN");
                break;
            case Command::Commit:
            case Command::Rollback:
                connection.in_transaction = false;
                append_tag(out_, command == Command::Commit ? "COMMIT" : "ROLLBACK");
                break;
            case Command::Set:
                append_tag(out_, "SET");
                set_parameter(connection, sql);
                break;
            case Command::Reset:
                append_tag(out_, "RESET");
                reset_parameters(connection);
                break;
            case Command::Discard:
                append_tag(out_, "DISCARD ALL");
                connection.statements.clear();
                reset_parameters(connection);
                break;
            case Command::Select:
            case Command::Stream:
                append_data_row(out_, "1");
                append_tag(out_, "SELECT 1");
                break;
        }
    }

    static Parameter* find(Connection& connection, std::string_view name) {
        for (Parameter& parameter : connection.parameters) {
            if (same_word(parameter.name, name)) return &parameter;
        }
        return nullptr;
    }

    void set_parameter(Connection& connection, std::string_view sql) {
        take_word(sql);
        std::string_view name = take_word(sql);
        if (same_word(name, "session") || same_word(name, "local")) name = take_word(sql);
        Parameter* parameter = find(connection, name);
        if (parameter == nullptr) return;
        const size_t equals = sql.find('=');
        if (equals == std::string_view::npos) {
            take_word(sql);  // TO
        } else {
            sql.remove_prefix(equals + 1);
        }
        const size_t from = std::min(sql.find_first_not_of(" '\""), sql.size());
        const size_t to = sql.find_last_not_of(" '\"");
        parameter->value = from <= to && to < sql.size() ? sql.substr(from, to - from + 1) : "";
        append_parameter(out_, *parameter);
    }

    void reset_parameters(Connection& connection) {
        for (Parameter& parameter : connection.parameters) {
            if (parameter.value == parameter.at_login) continue;
            parameter.value = parameter.at_login;
            append_parameter(out_, parameter);
        }
    }

    void append_ready(const Connection& connection) {
        append_message(out_, 'Z', connection.in_transaction ? "T" : "I");
    }

    void start_stream(Connection& connection, std::string_view sql) {
        const std::string value(number_after(sql, "repeat('x',"), 'x');
        append_row_description(out_);
        connection.stream_block.clear();
        append_data_row(connection.stream_block, value);
        connection.stream_row_bytes = connection.stream_block.size();
        while (connection.stream_block.size() < kStreamBlockBytes) {
            append_data_row(connection.stream_block, value);
        }
        connection.stream_rows = number_after(sql, "generate_series(1,");
        connection.stream_rows_total = connection.stream_rows;
        if (connection.stream_rows == 0) end_stream(connection);
    }

    void end_stream(Connection& connection) {
        append_tag(out_, "SELECT " + std::to_string(connection.stream_rows_total));
        append_ready(connection);
    }

    // One block of rows, then back to epoll: other connections get their turn.
    void send_rows(Connection& connection) {
        const uint64_t rows = std::min<uint64_t>(
            connection.stream_rows, connection.stream_block.size() / connection.stream_row_bytes);
        connection.stream_rows -= rows;
        const std::string_view bytes(connection.stream_block.data(),
                                     rows * connection.stream_row_bytes);
        const ssize_t sent = ::send(connection.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) return close(connection);
        connection.unsent.assign(bytes.substr(sent > 0 ? static_cast<size_t>(sent) : 0));
        if (connection.stream_rows > 0) return;
        std::swap(out_, connection.unsent);
        end_stream(connection);
        std::swap(out_, connection.unsent);
    }

    // Sends what it can of `bytes` and removes it; true when nothing is left.
    bool send_some(Connection& connection, std::string& bytes) {
        if (bytes.empty()) return true;
        const ssize_t sent = ::send(connection.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN && errno != EINTR) close(connection);
            return false;
        }
        bytes.erase(0, static_cast<size_t>(sent));
        return bytes.empty();
    }

    void flush(Connection& connection) {
        send_some(connection, out_);
        if (connection.closed) return;
        if (!out_.empty() || connection.stream_rows > 0) {
            connection.unsent = out_;
            hub_.epoll().modify(connection.fd.get(), EPOLLOUT, &connection);
        }
        out_.clear();
    }

    void close(Connection& connection) {
        connection.closed = true;
        connection.fd.reset();
        out_.clear();
        dead_.emplace_back(&connection);  // answer() is perhaps still using it.
    }

    Hub hub_;
    std::vector<char> block_;
    std::string out_;  // answers of the current batch; empty between events
    std::vector<std::unique_ptr<Connection>> dead_;
    static inline std::atomic<uint32_t> next_id_{1};
};

}  // namespace
}  // namespace weir::bench

int main(int argc, char** argv) {
    using namespace weir::bench;
    Arguments arguments(argc, argv, kUsage);
    const auto port = arguments.number<uint16_t>("port", 0);
    const auto threads = arguments.number<unsigned>("threads", 1);
    arguments.finish();
    if (port == 0 || threads == 0) arguments.refuse("", 2);

    raise_file_limit();
    std::vector<std::unique_ptr<Server>> servers;
    std::vector<Hub*> hubs;
    for (unsigned i = 0; i < threads; i++) {
        servers.push_back(std::make_unique<Server>());
        hubs.push_back(&servers.back()->hub());
    }
    hubs.front()->listen(listen_on_loopback(port), hubs);
    std::vector<std::jthread> others;
    for (unsigned i = 1; i < threads; i++) {
        others.emplace_back([&server = *servers[i]] { server.run(); });
    }
    servers.front()->run();
}
