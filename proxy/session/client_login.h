// ClientLogin: from the first byte of a client to its welcome: start-up packet, the database and
// user it wants, authentication, limits. Lives only that long. Owner: the session. Thread: the
// worker's.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "protocol/auth/scram_server.h"
#include "protocol/message/startup.h"
#include "proxy/session/context.h"
#include "proxy/session/password_guard.h"

namespace weir {

class ClientLogin {
  public:
    ClientLogin(WorkerContext& context, ClientSession& session)
        : ctx_(context), session_(session), guard_(context) {}

    // Uses whole packets of `input`; gives how many bytes were used. The session may have been
    // closed, or have left the login phases, afterwards.
    size_t on_bytes(ByteView input);

    // The answer to a wrong password may go out, if it is time.
    void on_deadline();

    // What a server of the pool says of itself is known: sends the welcome and ends the login.
    void welcome(std::shared_ptr<const Welcome> welcome);

  private:
    size_t on_startup(ByteView input);
    size_t on_auth_message(ByteView input);
    void on_startup_message(const StartupPacket& packet);
    Status take_parameters(const StartupPacket& packet);
    Status take_parameter(std::string_view name, std::string_view value, bool is_from_options);
    Status take_options(std::string_view text);
    [[nodiscard]] TargetSessionAttrs wanted_backends() const;
    void enter_database();
    Status reserve_client();
    void start_auth();
    void start_password();
    [[nodiscard]] bool is_turned_away();
    void on_wrong_password(Error error);
    void ask_password();
    void start_scram();
    [[nodiscard]] ScramVerifier scram_verifier() const;
    void on_password(std::string_view password);
    void on_sasl(ByteView body);
    void on_authenticated();
    Status enter_pool();
    void welcome_console();
    void add_host();
    [[nodiscard]] std::string_view wanted_application_name() const;
    void finish(std::string& text, ClientPhase phase);
    void fail(const Error& error);

    WorkerContext& ctx_;
    ClientSession& session_;
    const PasswordGuard guard_;
    std::optional<Error> refusal_;  // told at answer_at_
    Instant answer_at_;
    AuthType method_ = AuthType::Trust;
    std::optional<TargetSessionAttrs> wanted_attrs_;  // as the client says
    bool is_user_known_ = false;
    bool is_database_known_ = false;
    bool is_console_ = false;
    uint8_t encryption_requests_ = 0;
    DatabaseConfig database_;
    SecretString secret_;
    std::array<uint8_t, 4> md5_salt_{};
    std::unique_ptr<ScramServer> scram_;
    std::shared_ptr<const ScramKeys> scram_keys_;
    std::vector<std::pair<size_t, std::string>> wanted_;  // tracked parameters: index, value
};

}  // namespace weir
