// A thread of the load generator: an epoll loop over its share of the sessions, each a closed loop
// (send one transaction, wait for ReadyForQuery, send the next). Work comes in rounds: all sessions
// start together; after stop(), or when the transactions to do are used up, each finishes the
// transaction it is in and the round is over. So every transaction of a round is counted, and the
// CPU time and system calls of a process over the round belong to exactly these.
//
// Thread: the Driver's members belong to its own thread. Round is what threads share: atomics, and
// `mutex` guarding the figures below it, taken once per session at login and once per round.
// Results may be read while no round is running.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "bench/load/histogram.h"
#include "bench/load/net.h"
#include "bench/load/session.h"
#include "bench/load/tls.h"

namespace weir::bench {

inline uint64_t now_ns() {
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                     std::chrono::steady_clock::now().time_since_epoch())
                                     .count());
}

struct Round {
    std::atomic<unsigned> number{0};    // a new one starts a round
    std::atomic<int64_t> to_do{0};      // transactions that may still be started
    std::atomic<bool> stopping{false};  // nothing more is started
    std::atomic<bool> leaving{false};   // threads end
    std::mutex mutex;
    std::condition_variable changed;
    size_t logged_in = 0;      // guarded by mutex
    size_t failed_logins = 0;  // guarded by mutex
    size_t drivers_done = 0;   // guarded by mutex; of the current round
    std::string first_error;   // guarded by mutex
};

struct RoundResult {
    LatencyHistogram latency;
    uint64_t errors = 0;
    uint64_t bytes = 0;
    uint64_t ended_ns = 0;
};

class Driver {
  public:
    // `tls` null: in the clear.
    Driver(const Script& script, sockaddr_in server, size_t clients, size_t ramp, Round& round,
           const TlsContext* tls)
        : script_(script),
          server_(server),
          ramp_(ramp),
          round_(round),
          tls_(tls),
          block_(256 * 1024) {
        for (size_t i = 0; i < clients; i++) {
            clients_.emplace_back(script_);
        }
        epoll_.add(wakeup_.fd(), EPOLLIN, &wakeup_);
    }

    const RoundResult& result() const { return result_; }
    void wake() { wakeup_.wake(); }

    void run() {
        const bool log_in_first = script_.mode != Mode::Connect;
        while (!round_.leaving.load()) {
            if (log_in_first) open_more();
            for (const epoll_event& event : epoll_.wait(-1)) {
                if (event.data.ptr == &wakeup_) {
                    wakeup_.clear();
                } else {
                    on_event(*static_cast<Client*>(event.data.ptr), event.events);
                }
            }
            if (round_.number.load() != round_seen_) start_round();
            finish_round_if_done();
        }
    }

  private:
    struct Client {
        explicit Client(const Script& script) : session(script) {}
        Session session;
        Fd fd;
        std::unique_ptr<TlsStream> tls;
        bool is_secured = false;  // or needs not be
        std::string unsent;
        uint64_t started_ns = 0;
        bool logged_in = false;
        bool in_round = false;
    };

    void open_more() {
        while (opening_ < ramp_ && opened_ < clients_.size()) {
            opening_++;
            Client& client = clients_[opened_++];
            if (!open(client)) on_failure(client, "cannot connect");
        }
    }

    bool open(Client& client) {
        client.session = Session(script_);
        client.tls.reset();
        client.is_secured = tls_ == nullptr;
        client.fd = Fd(start_connect(server_));
        if (client.fd.get() < 0) return false;
        epoll_.add(client.fd.get(), EPOLLIN | EPOLLOUT, &client);
        return true;
    }

    void on_event(Client& client, uint32_t events) {
        if ((events & EPOLLOUT) != 0) {
            on_writable(client);  // What can be read will be reported again.
        } else {
            on_readable(client);
        }
    }

    void on_writable(Client& client) {
        if (client.session.state() == Session::State::Connecting) {
            int error = 0;
            socklen_t size = sizeof error;
            if (::getsockopt(client.fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 ||
                error != 0) {
                return on_failure(client, "cannot connect");
            }
            epoll_.modify(client.fd.get(), EPOLLIN, &client);
            const std::string_view startup = client.session.on_connected();
            return send(client, client.is_secured ? startup : kTlsRequest);
        }
        const std::string bytes = std::exchange(client.unsent, {});
        epoll_.modify(client.fd.get(), EPOLLIN, &client);
        send(client, bytes);
    }

    // The answer to the request for TLS, then the handshake, then the start-up message.
    void secure(Client& client) {
        if (client.tls == nullptr) {
            char answer = 0;
            if (::recv(client.fd.get(), &answer, 1, 0) != 1 || answer != 'S')
                return on_failure(client, "the server has no TLS");
            client.tls = std::make_unique<TlsStream>(*tls_, client.fd.get());
        }
        if (!client.tls->shake_hands()) {
            if (errno != EAGAIN) on_failure(client, "the TLS handshake failed");
            return;
        }
        client.is_secured = true;
        send(client, script_.startup);
    }

    void on_readable(Client& client) {
        if (!client.is_secured) return secure(client);
        if (client.tls == nullptr) return receive(client);
        const TlsStream* tls = client.tls.get();
        do {
            receive(client);
        } while (client.tls.get() == tls && client.is_secured && tls->has_more());
    }

    void receive(Client& client) {
        const ssize_t got = client.tls == nullptr
                                ? ::recv(client.fd.get(), block_.data(), block_.size(), 0)
                                : client.tls->receive(block_.data(), block_.size());
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0) return on_failure(client, "the server closed the connection");
        result_.bytes += static_cast<uint64_t>(got);
        const std::string_view reply =
            client.session.on_bytes({block_.data(), static_cast<size_t>(got)});
        if (client.session.state() == Session::State::Failed) return on_failure(client, "");
        if (!reply.empty()) send(client, reply);
        if (client.session.take_became_ready()) on_ready(client);
    }

    void on_ready(Client& client) {
        if (!client.logged_in) {
            client.logged_in = true;
            if (script_.mode == Mode::Connect) {
                return send(client, client.session.start_transaction());
            }
            opening_--;
            const std::lock_guard lock(round_.mutex);
            round_.logged_in++;
            round_.changed.notify_all();
            return;
        }
        const uint64_t now = now_ns();
        if (client.session.had_error()) {
            note_error(client);
        } else {
            result_.latency.record(now - client.started_ns);
        }
        if (script_.mode == Mode::Connect) {
            std::string terminate;
            append_message(terminate, 'X');
            send(client, terminate);
            client.tls.reset();
            client.fd.reset();
        }
        next(client, now);
    }

    // The connection is of no more use; in connect mode the client takes a new one.
    void on_failure(Client& client, std::string_view why) {
        if (!why.empty()) client.session.fail(why);
        client.tls.reset();
        client.fd.reset();
        note_error(client);
        if (script_.mode == Mode::Connect) {
            client.logged_in = false;
            if (client.in_round) next(client, now_ns());
        } else if (!client.logged_in) {
            client.logged_in = true;
            {
                const std::lock_guard lock(round_.mutex);
                round_.failed_logins++;
                round_.changed.notify_all();
            }
            opening_--;
        } else if (client.in_round) {
            leave_round(client, now_ns());
        }
    }

    void note_error(const Client& client) {
        result_.errors++;
        const std::lock_guard lock(round_.mutex);
        if (round_.first_error.empty()) round_.first_error = client.session.error();
    }

    void start_round() {
        round_seen_ = round_.number.load();
        round_reported_ = false;
        result_ = RoundResult{};
        for (Client& client : clients_) {
            if (script_.mode != Mode::Connect && client.session.state() != Session::State::Ready) {
                continue;
            }
            client.in_round = true;
            running_++;
            next(client, now_ns());
        }
    }

    void next(Client& client, uint64_t now) {
        if (round_.stopping.load(std::memory_order_relaxed) ||
            round_.to_do.fetch_sub(1, std::memory_order_relaxed) <= 0) {
            return leave_round(client, now);
        }
        client.started_ns = now;
        if (script_.mode != Mode::Connect) {
            return send(client, client.session.start_transaction());
        }
        client.logged_in = false;
        if (!open(client)) {
            client.session.fail("cannot connect");
            note_error(client);
            leave_round(client, now);
        }
    }

    void leave_round(Client& client, uint64_t now) {
        result_.ended_ns = now;
        client.in_round = false;
        running_--;
    }

    void finish_round_if_done() {
        if (round_seen_ == 0 || round_reported_ || running_ > 0) return;
        round_reported_ = true;
        const std::lock_guard lock(round_.mutex);
        round_.drivers_done++;
        round_.changed.notify_all();
    }

    void send(Client& client, std::string_view bytes) {
        const ssize_t sent = client.tls == nullptr
                                 ? ::send(client.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL)
                                 : client.tls->send(bytes);
        if (sent == static_cast<ssize_t>(bytes.size())) return;
        if (sent < 0 && errno != EAGAIN && errno != EINTR) return;  // recv will say it again
        client.unsent.append(bytes.substr(sent > 0 ? static_cast<size_t>(sent) : 0));
        epoll_.modify(client.fd.get(), EPOLLIN | EPOLLOUT, &client);
    }

    const Script& script_;
    sockaddr_in server_;
    size_t ramp_;
    Round& round_;
    const TlsContext* const tls_;
    Epoll epoll_;
    Wakeup wakeup_;
    std::vector<char> block_;
    std::deque<Client> clients_;
    size_t opened_ = 0;
    size_t opening_ = 0;
    size_t running_ = 0;
    unsigned round_seen_ = 0;
    bool round_reported_ = false;
    RoundResult result_;
};

}  // namespace weir::bench
