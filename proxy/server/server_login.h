// ServerLogin: the conversation that makes a connected socket a usable server connection, as a
// state machine with no I/O: it is given whole messages and says what to send.
//
// Passwords: plain secrets answer any method; an md5 secret answers md5 only; a SCRAM verifier
// answers SCRAM only, and only with the ClientKey that the client's own SCRAM login left
// (pass-through).
//
// Protocol 3.2 is asked for when the options say so; a server that does not speak it says so with
// NegotiateProtocolVersion, and 3.0 is spoken. Owner: the connection. Thread: its owner's.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "conf/config.h"
#include "protocol/auth/scram_client.h"
#include "protocol/message/backend.h"
#include "protocol/message/types.h"
#include "proxy/server/credentials.h"
#include "proxy/server/parameters.h"

namespace weir {

// What a start-up packet has besides user, database and the database entry's settings.
struct StartupExtras {
    uint32_t version = kProtocol30;
    std::vector<std::pair<std::string, std::string>> parameters;  // the last ones: they win
};

class ServerLogin {
  public:
    ServerLogin(ServerCredentials credentials, const DatabaseConfig& database,
                StartupExtras extras = {});
    ~ServerLogin();

    // Of the server's certificate, to bind SCRAM to (tls-server-end-point); none without TLS, or
    // when there is no such hash. Before start().
    void set_end_point_hash(std::optional<std::string> hash);

    // The start-up message, to be sent first.
    [[nodiscard]] std::string start() const;

    // One whole message. `reply` is appended to. True = the server is ready for queries.
    // Errors: the server's own (its SQLSTATE and message), 08P01 for a protocol violation, 28P01
    // when the secret cannot answer the method asked for.
    Result<bool> on_message(BackendTag tag, ByteView body, std::string& reply);

    [[nodiscard]] const Welcome& welcome() const { return welcome_; }
    [[nodiscard]] const CancelKey& backend_key() const { return backend_key_; }
    // The error came from the server itself, not from us or the network.
    [[nodiscard]] bool was_refused() const { return was_refused_; }
    [[nodiscard]] bool is_authenticated() const { return is_authenticated_; }
    // After success with a plain password by SCRAM: the keys to keep; null otherwise.
    [[nodiscard]] std::shared_ptr<const DerivedKeys> derived_keys() const;

  private:
    [[nodiscard]] Status on_negotiation(ByteView body);
    Result<bool> on_auth(const AuthView& auth, std::string& reply);
    Status start_scram(ByteView mechanisms, std::string& reply);
    Status make_scram(const std::optional<std::string>& channel_binding);

    ServerCredentials credentials_;
    const std::string database_;
    const std::vector<std::pair<std::string, std::string>> startup_parameters_;
    const StartupExtras extras_;
    std::unique_ptr<ScramClient> scram_;
    Welcome welcome_;
    CancelKey backend_key_;
    bool is_authenticated_ = false;
    bool was_refused_ = false;
    std::optional<std::string> end_point_hash_;
};

}  // namespace weir
