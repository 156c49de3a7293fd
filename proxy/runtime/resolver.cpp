#include "proxy/runtime/resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include "protocol/base/check.h"

namespace weir {

namespace {

// c-ares keeps a count of these.
struct Library {
    Library() { WEIR_CHECK(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS); }
    ~Library() { ares_library_cleanup(); }
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;
};

bool has_port(std::string_view server) {
    if (server.starts_with('[')) return server.find("]:") != std::string_view::npos;
    // One colon follows an IPv4 address, more are those of IPv6.
    return std::count(server.begin(), server.end(), ':') == 1;
}

std::string literal(const sockaddr* address, socklen_t size) {
    char text[INET6_ADDRSTRLEN + 32] = "";
    if (getnameinfo(address, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) return {};
    return text;
}

}  // namespace

std::optional<std::string> servers_with_ports(std::string_view resolv_conf) {
    std::istringstream lines{std::string(resolv_conf)};
    std::string all;
    bool is_wanted = false;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string keyword;
        std::string server;
        words >> keyword >> server;
        if (keyword != "nameserver" || server.empty()) continue;
        is_wanted = is_wanted || has_port(server);
        all += (all.empty() ? "" : ",") + server;
    }
    if (!is_wanted) return std::nullopt;
    return all;
}

std::string resolver_version() {
    return std::string("c-ares ") + ares_version(nullptr);
}

// One c-ares channel with its sockets and its timer on the loop. Handles outlive it by a turn of
// the loop, as in loop.cpp.
class Resolver::Channel {
  public:
    explicit Channel(Loop& loop) : loop_(loop) {}
    ~Channel() {
        if (channel_ != nullptr) ares_destroy(channel_);  // answers all, and closes its sockets
        channel_ = nullptr;
        if (timer_ != nullptr) close_handle(timer_);
    }
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    Status open(const std::string& resolv_conf);
    void resolve(const std::string& host, Done done);
    void ask_serial(const std::string& zone, SerialDone done);

  private:
    struct Socket {
        uv_poll_t handle;
        Channel* channel;
        ares_socket_t fd;
    };
    template <typename Handle>
    static void close_handle(Handle* handle) {
        uv_close(reinterpret_cast<uv_handle_t*>(handle),
                 [](uv_handle_t* closed) { delete reinterpret_cast<Handle*>(closed); });
    }
    void watch(ares_socket_t fd, bool reads, bool writes);
    void on_socket(Socket& socket, int status, int events);
    // c-ares says when it wants to be asked again.
    void arm_timer();

    Library library_;
    Loop& loop_;
    ares_channel channel_ = nullptr;
    uv_timer_t* timer_ = nullptr;
    std::map<ares_socket_t, Socket*> sockets_;
};

Status Resolver::Channel::open(const std::string& resolv_conf) {
    ares_options options{};
    int mask = ARES_OPT_SOCK_STATE_CB;
    options.sock_state_cb = [](void* self, ares_socket_t fd, int reads, int writes) {
        static_cast<Channel*>(self)->watch(fd, reads != 0, writes != 0);
    };
    options.sock_state_cb_data = this;
    std::string path = resolv_conf;
    std::optional<std::string> servers;
    if (!path.empty()) {
        std::ifstream file(path);
        if (!file) {
            return fail("58030",
                        "cannot read resolv_conf \"" + path + "\": " + std::strerror(errno));
        }
        const std::string text(std::istreambuf_iterator<char>(file), {});
        servers = servers_with_ports(text);
        options.resolvconf_path = path.data();
        mask |= ARES_OPT_RESOLVCONF;
    }
    int status = ares_init_options(&channel_, &options, mask);
    if (status == ARES_SUCCESS && servers)
        status = ares_set_servers_ports_csv(channel_, servers->c_str());
    if (status != ARES_SUCCESS)
        return fail("58000", std::string("cannot start c-ares: ") + ares_strerror(status));
    timer_ = new uv_timer_t;
    uv_timer_init(loop_.get(), timer_);
    timer_->data = this;
    return {};
}

void Resolver::Channel::watch(ares_socket_t fd, bool reads, bool writes) {
    const auto found = sockets_.find(fd);
    if (!reads && !writes) {
        if (found == sockets_.end()) return;
        Socket* socket = found->second;
        sockets_.erase(found);
        uv_poll_stop(&socket->handle);  // at once: c-ares closes the descriptor next
        uv_close(reinterpret_cast<uv_handle_t*>(&socket->handle),
                 [](uv_handle_t* closed) { delete static_cast<Socket*>(closed->data); });
        return;
    }
    Socket* socket = found == sockets_.end() ? nullptr : found->second;
    if (socket == nullptr) {
        socket = new Socket{{}, this, fd};
        socket->handle.data = socket;
        WEIR_CHECK(uv_poll_init(loop_.get(), &socket->handle, fd) == 0);
        sockets_[fd] = socket;
    }
    uv_poll_start(&socket->handle, (reads ? UV_READABLE : 0) | (writes ? UV_WRITABLE : 0),
                  [](uv_poll_t* handle, int status, int events) {
                      Socket& self = *static_cast<Socket*>(handle->data);
                      self.channel->on_socket(self, status, events);
                  });
}

void Resolver::Channel::on_socket(Socket& socket, int status, int events) {
    const ares_socket_t fd = socket.fd;
    const bool reads = status != 0 || (events & UV_READABLE) != 0;
    const bool writes = status != 0 || (events & UV_WRITABLE) != 0;
    ares_process_fd(channel_, reads ? fd : ARES_SOCKET_BAD, writes ? fd : ARES_SOCKET_BAD);
    arm_timer();
}

void Resolver::Channel::arm_timer() {
    timeval next{};
    if (ares_timeout(channel_, nullptr, &next) == nullptr) {
        uv_timer_stop(timer_);
        return;
    }
    const auto ms =
        static_cast<uint64_t>(next.tv_sec) * 1000 + static_cast<uint64_t>(next.tv_usec) / 1000 + 1;
    uv_timer_start(
        timer_,
        [](uv_timer_t* handle) {
            Channel& self = *static_cast<Channel*>(handle->data);
            ares_process_fd(self.channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
            self.arm_timer();
        },
        ms, 0);
}

void Resolver::Channel::resolve(const std::string& host, Done done) {
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    const auto on_answer = [](void* argument, int status, int, ares_addrinfo* found) {
        const std::unique_ptr<Done> then(static_cast<Done*>(argument));
        std::vector<std::string> ips;
        if (found != nullptr) {
            for (const ares_addrinfo_node* it = found->nodes; it != nullptr; it = it->ai_next) {
                std::string text = literal(it->ai_addr, it->ai_addrlen);
                if (!text.empty() && std::find(ips.begin(), ips.end(), text) == ips.end())
                    ips.push_back(std::move(text));
            }
            ares_freeaddrinfo(found);
        }
        std::string error;
        if (status != ARES_SUCCESS) error = ares_strerror(status);
        if (error.empty() && ips.empty()) error = "no address";
        (*then)(std::move(ips), std::move(error));
    };
    ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, on_answer, new Done(std::move(done)));
    arm_timer();
}

void Resolver::Channel::ask_serial(const std::string& zone, SerialDone done) {
    constexpr int kClassIn = 1;
    constexpr int kTypeSoa = 6;
    const auto on_answer = [](void* argument, int status, int, unsigned char* answer, int size) {
        const std::unique_ptr<SerialDone> then(static_cast<SerialDone*>(argument));
        ares_soa_reply* soa = nullptr;
        if (status == ARES_SUCCESS) status = ares_parse_soa_reply(answer, size, &soa);
        std::optional<uint32_t> serial;
        if (status == ARES_SUCCESS) serial = soa->serial;
        if (soa != nullptr) ares_free_data(soa);
        (*then)(serial);
    };
    ares_query(channel_, zone.c_str(), kClassIn, kTypeSoa, on_answer,
               new SerialDone(std::move(done)));
    arm_timer();
}

Resolver::Resolver(Loop& loop) : channel_(std::make_unique<Channel>(loop)) {}

Resolver::~Resolver() = default;

Status Resolver::open(const std::string& resolv_conf) {
    return channel_->open(resolv_conf);
}

void Resolver::resolve(const std::string& host, Done done) {
    channel_->resolve(host, std::move(done));
}

void Resolver::ask_serial(const std::string& zone, SerialDone done) {
    channel_->ask_serial(zone, std::move(done));
}

}  // namespace weir
