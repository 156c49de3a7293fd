#include "tests/cost/rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "admin/console/console.h"
#include "conf/logging.h"
#include "protocol/message/writer.h"
#include "proxy/control/control.h"

namespace weir::cost {

namespace {

[[noreturn]] void fail_errno(const char* what) {
    throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

// A socket bound to a port of loopback that the system picks.
int bound_socket(uint16_t& port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), bytes) < 0 ||
        getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bytes) < 0)
        fail_errno("bind");
    port = ntohs(address.sin_port);
    return fd;
}

uint16_t free_port() {
    uint16_t port = 0;
    ::close(bound_socket(port));
    return port;
}

void set_no_delay(int fd) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

bool send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n <= 0) return false;
        bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
}

// ---- the server ----

void write_row(std::string& out, const std::string& value) {
    const std::string* values[] = {&value};
    write_data_row(out, values);
}

std::string welcome() {
    std::string out;
    write_auth_request(out, AuthRequest::Ok);
    write_parameter_status(out, "server_version", "15.0");
    write_parameter_status(out, "client_encoding", "UTF8");
    write_parameter_status(out, "standard_conforming_strings", "on");
    write_backend_key_data(out, CancelKey::of_word(0x0000000700000009));
    write_ready_for_query(out, TransactionStatus::Idle);
    return out;
}

class Conversation {
  public:
    explicit Conversation(int fd) : fd_(fd) {
        const Column column{.name = "c"};
        write_row_description(columns_, {&column, 1});
        write_row(row_, "1");
        write_command_complete(row_, "SELECT 1");
        const uint32_t type = 25;
        write_parameter_description(parameters_, {&type, 1});
    }

    void run() {
        if (!read_startup() || !send_all(fd_, welcome())) return;
        while (fill()) {
            out_.clear();
            while (in_.size() - used_ >= 5) {
                const size_t total =
                    load_be32(reinterpret_cast<const uint8_t*>(in_.data()) + used_ + 1) + 1;
                if (in_.size() - used_ < total) break;
                answer(in_[used_], std::string_view(in_).substr(used_ + 5, total - 5));
                used_ += total;
            }
            in_.erase(0, used_);
            used_ = 0;
            if (!send_all(fd_, out_)) return;
        }
    }

  private:
    bool fill() {
        char piece[65536];
        const ssize_t n = ::recv(fd_, piece, sizeof piece, 0);
        if (n > 0) in_.append(piece, static_cast<size_t>(n));
        return n > 0;
    }

    bool read_startup() {
        while (in_.size() < 4 || in_.size() < load_be32(as_bytes(in_).data())) {
            if (!fill()) return false;
        }
        in_.erase(0, load_be32(as_bytes(in_).data()));
        return true;
    }

    void answer(char tag, std::string_view body) {
        switch (tag) {
            case 'Q': return on_query(body);
            case 'P': return write_empty(out_, BackendTag::ParseComplete);
            case 'B': return write_empty(out_, BackendTag::BindComplete);
            case 'C': return write_empty(out_, BackendTag::CloseComplete);
            case 'D': out_ += body[0] == 'S' ? parameters_ + columns_ : columns_; return;
            case 'E': out_ += row_; return;
            case 'S': return write_ready_for_query(out_, status_);
            case 'c':
                write_command_complete(out_, "COPY 1");
                return write_ready_for_query(out_, status_);
            default: return;
        }
    }

    void on_query(std::string_view sql) {
        if (sql.starts_with("copy")) {
            out_ += std::string("G\0\0\0\7\0\0\0", 8);
            return;
        }
        if (sql.starts_with("stream")) {
            stream();
        } else if (sql.starts_with("begin")) {
            status_ = TransactionStatus::InTransaction;
            write_command_complete(out_, "BEGIN");
        } else if (sql.starts_with("commit")) {
            status_ = TransactionStatus::Idle;
            write_command_complete(out_, "COMMIT");
        } else {
            out_ += columns_ + row_;
        }
        write_ready_for_query(out_, status_);
    }

    void stream() {
        std::string rows;
        const std::string value(InstantServer::kStreamRowBytes, 'x');
        constexpr size_t kRowsAtOnce = 1000;
        for (size_t i = 0; i < kRowsAtOnce; ++i)
            write_row(rows, value);
        out_ += columns_;
        (void)send_all(fd_, out_);
        out_.clear();
        for (size_t sent = 0; sent < InstantServer::kStreamRows; sent += kRowsAtOnce)
            (void)send_all(fd_, rows);
        write_command_complete(out_, "SELECT 1");
    }

    const int fd_;
    std::string in_, out_;
    size_t used_ = 0;
    TransactionStatus status_ = TransactionStatus::Idle;
    std::string columns_, row_, parameters_;
};

}  // namespace

InstantServer::InstantServer() {
    listener_ = bound_socket(port_);
    if (::listen(listener_, 64) < 0) fail_errno("listen");
    thread_ = std::thread([this] { run(); });
}

InstantServer::~InstantServer() {
    is_stopping_.store(true);
    ::shutdown(listener_, SHUT_RDWR);  // ends the accept()
    thread_.join();
    for (const int fd : sockets_)
        ::shutdown(fd, SHUT_RDWR);
    for (std::thread& thread : serving_)
        thread.join();
    for (const int fd : sockets_)
        ::close(fd);
    ::close(listener_);
}

void InstantServer::run() {
    while (!is_stopping_.load()) {
        const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) continue;
        set_no_delay(fd);
        sockets_.push_back(fd);
        serving_.emplace_back([fd] { Conversation(fd).run(); });
    }
}

// ---- clients ----

Client::Client(uint16_t port) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        fail_errno("connect");
    set_no_delay(fd_);
    const timeval limit{.tv_sec = 60, .tv_usec = 0};  // against hanging
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    std::string startup;
    MessageWriter writer(startup);
    writer.begin_untagged();
    writer.u32(196608);
    for (const char* word : {"user", "u", "database", "d"})
        writer.cstring(word);
    writer.u8(0);
    writer.end();
    run(startup);
}

Client::~Client() {
    ::close(fd_);
}

void Client::send(std::string_view messages) {
    if (!send_all(fd_, messages)) fail_errno("send to the proxy");
}

size_t Client::read_until(char tag, int count) {
    size_t bytes = 0;
    while (count > 0) {
        const size_t here = std::min(skip_, end_ - begin_);
        begin_ += here;
        skip_ -= here;
        if (skip_ == 0 && end_ - begin_ >= 5) {
            const char type = buffer_[begin_];
            if (type == 'E') throw std::runtime_error("the proxy sent an error");
            skip_ = load_be32(reinterpret_cast<const uint8_t*>(buffer_.data()) + begin_ + 1) + 1;
            if (type == tag) --count;
            if (count == 0 && end_ - begin_ != skip_)
                throw std::runtime_error("more than the answer");
            continue;
        }
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
        const ssize_t n = ::recv(fd_, buffer_.data() + end_, buffer_.size() - end_, 0);
        if (n <= 0) fail_errno("no answer");
        end_ += static_cast<size_t>(n);
        bytes += static_cast<size_t>(n);
    }
    begin_ = end_ = skip_ = 0;
    return bytes;
}

// ---- the rig ----

Rig::Rig(const RigPlan& plan) : port_(free_port()) {
    log::detail::threshold.store(LogLevel::Fatal);
    auto config = std::make_shared<Config>();
    GlobalConfig& global = config->global;
    global.auth_type = AuthType::Trust;
    global.listen_addr = "127.0.0.1";
    global.unix_socket_dir = "";
    global.listen_port = port_;
    global.pool_mode = PoolMode::Transaction;
    global.default_pool_size = plan.pool_size;
    global.max_client_conn = 1000;
    global.log_connections = global.log_disconnections = false;
    global.workers = plan.workers;
    global.fold_workers = plan.are_folded;
    // Every ten seconds, of no transaction's: it would be counted with whichever is running.
    global.leak_count_check = false;
    global.server_tls_sslmode = SslMode::Disable;
    config->secrets["u"] = "";
    DatabaseConfig database;
    database.name = database.dbname = "d";
    database.hosts = {"127.0.0.1"};
    database.port = server_.port();
    config->databases["d"] = database;
    if (plan.has_rate_limits) {
        RateLimitConfig& limit = config->rate_limits["l"];
        limit.name = "l";
        limit.at = RatePoint::Transaction;
        limit.key = {RateKeyPart::User, RateKeyPart::QueryClass};
        limit.rate_events = 1'000'000'000;
        limit.rate_per = std::chrono::seconds(1);
        limit.concurrency = 1000;
        limit.bytes_per_second = 9'000'000'000;
    }
    thread_ = std::thread([this, ready = ConfigPtr(std::move(config))] { run(ready); });
    while (!is_listening_.load())
        std::this_thread::yield();
}

Rig::~Rig() {
    is_stopping_.store(true);
    thread_.join();
}

void Rig::run(const ConfigPtr& config) {
    Control control("", config, true);
    control.set_on_tick([this, &control](Instant) {
        if (is_stopping_.load()) (void)control.shutdown(ShutdownMode::Now);
    });
    if (const Status listening = control.listen(); !listening) {
        std::fprintf(stderr, "%s\n", listening.error().message.c_str());
        std::abort();
    }
    is_listening_.store(true);
    if (!control.run()) std::abort();  // a thread is left that uses what would be torn down
}

std::vector<std::unique_ptr<Client>> Rig::clients(int count) {
    std::vector<std::unique_ptr<Client>> out;
    for (int i = 0; i < count; ++i)
        out.push_back(client());
    return out;
}

// ---- requests ----

namespace {

void write_use(std::string& out, std::string_view statement) {
    write_bind(out, statement, "42");
    write_describe(out, 'P', "");
    write_execute(out);
    write_empty(out, FrontendTag::Sync);
}

}  // namespace

std::string simple(std::string_view sql) {
    std::string out;
    write_query(out, sql);
    return out;
}

std::string extended(std::string_view sql) {
    std::string out;
    write_untyped_parse(out, "", sql);
    write_use(out, "");
    return out;
}

std::string prepare(std::string_view name, std::string_view sql) {
    std::string out;
    write_untyped_parse(out, name, sql);
    write_empty(out, FrontendTag::Sync);
    return out;
}

std::string prepared(std::string_view name) {
    std::string out;
    write_use(out, name);
    return out;
}

}  // namespace weir::cost
