// ClientLogin: from the first byte of a client to its welcome. Its own part is the start-up packet
// (client_startup.cpp), and entering the database: limits before, the pool after. Who the client
// is, is for Authentication to find out. Lives only that long. Owner: the session. Thread: the
// worker's.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "protocol/message/startup.h"
#include "proxy/session/context.h"
#include "proxy/session/login/authentication.h"
#include "proxy/session/login/login_state.h"
#include "proxy/session/login/welcome.h"

namespace weir {

class ClientLogin {
  public:
    ClientLogin(WorkerContext& context, ClientSession& session)
        : ctx_(context), session_(session), authentication_(context, session, *this) {}
    ClientLogin(const ClientLogin&) = delete;
    ClientLogin& operator=(const ClientLogin&) = delete;

    // Uses whole packets of `input`; gives how many bytes were used. The session may have been
    // closed, or have left the login phases, afterwards.
    size_t on_bytes(ByteView input);

    // It is who it says. Called by Authentication.
    void on_authenticated();

    // What a server of the pool says of itself is known: sends the welcome and ends the login.
    void welcome(std::shared_ptr<const Welcome> welcome);

    // TLS begins; and something of it has come. For the time that it takes.
    void begin_handshake() { handshake_began_at_ = ctx_.now; }
    void note_handshake();

    Authentication& authentication() { return authentication_; }

    // Of a replication client: what its server is to be told in the start-up packet.
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> server_parameters() const;
    // ---- hand-over to another process (proxy/takeover; in login_state.cpp) ----

    [[nodiscard]] LoginState save() const;
    // What the other process had found out; the session's phase says how far that was.
    void resume(const LoginState& state);
    // Goes on with the proof of who the client is, or behind it, if the other process had got that
    // far.
    void go_on();
    // As the client has asked for it; empty when it has not.
    [[nodiscard]] std::string_view wanted_application_name() const;

  private:
    size_t on_startup(ByteView input);
    void answer_encryption_request(bool is_for_tls);
    void take_identity();
    void on_startup_message(const StartupPacket& packet);
    Status take_parameters(const StartupPacket& packet);
    Status take_parameter(std::string_view name, std::string_view value, bool is_from_options);
    Status take_options(std::string_view text);
    [[nodiscard]] TargetSessionAttrs wanted_backends() const;
    void enter_database();
    void authenticate();
    void log_attempt() const;
    Status reserve_client();
    Status enter_pool();
    void fail(const Error& error);

    WorkerContext& ctx_;
    ClientSession& session_;
    Authentication authentication_;
    std::optional<TargetSessionAttrs> wanted_attrs_;  // as the client says
    Instant handshake_began_at_;                      // never = there is none, or it is over
    bool is_console_ = false;
    bool is_resumed_ = false;
    bool is_unasked_ = false;  // when it is resumed
    uint8_t encryption_requests_ = 0;
    std::optional<DatabaseConfig> database_;  // none: there is no such, or it is the console
    WantedParameters wanted_;
    std::string replication_options_;  // `options` of a replication client, for its server
};

}  // namespace weir
