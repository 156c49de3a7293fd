// Authentication: from the start-up packet to the verdict: which method this client has to use,
// the exchange with it, and what has to be asked of others (proxy/auth) on the way.
//
//   begin -> [AuthWait: system user] -> [AuthWait: secret] -> Authenticating: password ->
//   [AuthWait: verdict] -> the verdict
//
// Which of them a method needs is its own; rules (auth_hba_file) are asked before anything else.
// Each phase in brackets only if somebody else has to be asked and cannot answer at once. The
// verdict is ClientLogin::on_authenticated() or the end of the session. Owner: ClientLogin.
// Thread: the worker's.
#pragma once

#include <memory>
#include <optional>

#include "proxy/auth/auth_choice.h"
#include "proxy/auth/password_exchange.h"
#include "proxy/auth/peer_identity.h"
#include "proxy/session/context.h"
#include "proxy/session/login/login_state.h"
#include "proxy/session/login/password_guard.h"

namespace weir {

class Authentication {
  public:
    Authentication(WorkerContext& context, ClientSession& session, ClientLogin& login)
        : ctx_(context), session_(session), login_(login), guard_(context) {}
    ~Authentication() {
        if (is_over_ != nullptr) is_over_->store(true);
    }
    Authentication(const Authentication&) = delete;
    Authentication& operator=(const Authentication&) = delete;

    struct Target {
        const DatabaseConfig* database = nullptr;  // null: there is none, or it is the console
        bool is_console = false;
    };
    // The session has its user and database. As with the other events, it may be over afterwards.
    void begin(const Target& target);
    // Uses a message of the exchange; gives how many bytes were used.
    size_t on_bytes(ByteView input);
    // What was asked is answered; dropped when nothing, or something else, is asked.
    void on_answer(LoginAnswer& answer);
    // The answer to a wrong password may go out, if it is time.
    void on_deadline();

    // ---- after the verdict ----

    // By which a server may be asked in the name of this user; empty = nothing is known.
    [[nodiscard]] const SecretString& secret() const { return secret_.secret; }
    // Of its own SCRAM login; null when there was none.
    [[nodiscard]] std::shared_ptr<const ScramKeys> scram_keys() const {
        return exchange_ == nullptr ? resumed_keys_ : exchange_->scram_keys();
    }

    // ---- hand-over to another process (in login_state.cpp) ----

    // The client has been asked for something that only this process can judge.
    [[nodiscard]] bool has_asked() const { return exchange_ != nullptr || is_asked_elsewhere(); }
    // Adds what is known before or after the exchange; in the middle of it nobody else can go on.
    void save(LoginState& out) const;
    void resume(const LoginState& state);

    // What the connection knows; whoever establishes it fills this in.
    PeerIdentity identity;

  private:
    void reject();
    void ask_system_user();
    void on_system_user(const SystemUser& user);
    void on_wrong_identity(std::string_view problem);
    void find_secret();
    void look_up(bool must_ask);
    void on_secret(UserSecret secret);
    void on_verdict(PasswordVerdict verdict);
    void trust();
    void start_exchange();
    void ask_plain_password();
    void on_message(ByteView body);
    void on_step(PasswordExchange::Step step);
    void check_elsewhere(ByteView body);
    [[nodiscard]] bool proves_something() const;
    [[nodiscard]] bool is_asked_elsewhere() const;
    [[nodiscard]] bool is_turned_away();
    void on_wrong_password(Error error, Duration delay = Duration(0));
    LoginQuestion ask();
    void note(std::string_view text) const;
    void fail(const Error& error);

    WorkerContext& ctx_;
    ClientSession& session_;
    ClientLogin& login_;
    const PasswordGuard guard_;
    Target target_;
    AuthChoice choice_;
    UserSecret secret_;
    std::unique_ptr<PasswordExchange> exchange_;
    std::shared_ptr<const ScramKeys> resumed_keys_;  // of an exchange in another process
    uint32_t questions_ = 0;                         // asked so far
    bool is_asking_ = false;                         // the last of them is open
    std::shared_ptr<std::atomic<bool>> is_over_;     // for whoever is asked; null = nobody
    std::optional<Error> refusal_;                   // told at answer_at_
    Instant answer_at_;
};

}  // namespace weir
