// Goal: nothing that clients send, in whatever order, with answers of others coming early, late or
// never, makes a login crash, leak or hang, and nobody is let in who has not proved who it is.
// Method: one worker in memory; the input is a configuration and then steps: bytes as they are,
// genuine messages, answers, time, hanging up, a reload. Who has sent nothing genuine must never
// see AuthenticationOk: the secret is not in the input.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/auth/md5.h"
#include "protocol/auth/scram_client.h"
#include "protocol/auth/scram_message.h"
#include "protocol/message/startup.h"
#include "proxy/session/login/client_login.h"
#include "tests/support/login_rig.h"

namespace weir::sim {
namespace {

constexpr std::string_view kSecret = "a secret that no input holds 0123456789";
constexpr const char* kUsers[] = {"u", "v", "w", "stranger"};
constexpr std::string_view kAllowed("R\0\0\0\x08\0\0\0\0", 9);

void require(bool condition) {
    if (!condition) __builtin_trap();
}

class Input {
  public:
    explicit Input(ByteView bytes) : rest_(bytes) {}
    [[nodiscard]] bool is_empty() const { return rest_.empty(); }
    uint8_t byte() {
        if (rest_.empty()) return 0;
        const uint8_t out = rest_[0];
        rest_ = rest_.subspan(1);
        return out;
    }
    std::string text() {
        const size_t bytes = std::min<size_t>(byte() + (byte() & 3U) * 256U, rest_.size());
        const std::string out(as_text(rest_.first(bytes)));
        rest_ = rest_.subspan(bytes);
        return out;
    }

  private:
    ByteView rest_;
};

// Keeps every question; the steps answer them.
class Oracle final : public SecretSource, public PasswordChecker {
  public:
    std::optional<Result<UserSecret>> look_up(const SecretRequest& request) override {
        if (is_quick) return UserSecret{true, SecretString(kSecret)};
        questions.push_back(request.question);
        return std::nullopt;
    }
    Status submit(PasswordCheck check) override {
        if (is_quick) return fail("53300", "busy");
        questions.push_back(check.question);
        return {};
    }
    bool is_quick = false;
    std::vector<LoginQuestion> questions;
};

std::shared_ptr<Config> make_config(uint8_t kind) {
    auto config = make_login_config();
    constexpr AuthType kTypes[] = {AuthType::Plain, AuthType::Md5, AuthType::ScramSha256,
                                   AuthType::Cert,  AuthType::Hba, AuthType::Pam,
                                   AuthType::Hba,   AuthType::Md5};
    config->global.auth_type = kTypes[kind % 8];
    config->global.auth_failures_max = (kind & 8) != 0 ? 2 : 0;
    config->global.auth_failure_delay = std::chrono::milliseconds((kind & 16) != 0 ? 500 : 0);
    config->global.auth_hba_file = "hba";
    config->secrets["u"] = kSecret;
    config->secrets["v"] = md5_secret(kSecret, "v");
    config->secrets["w"] = format_scram_verifier(make_scram_verifier(kSecret, as_bytes("salt"), 1));
    const AuthFiles files{[](const std::string&) -> Result<std::string> {
                              return std::string(
                                  "local db all peer\nhost db u 192.0.2.0/24 scram-sha-256\n"
                                  "host db v all md5\nhost db w all password\nhost db /^s all pam\n"
                                  "hostssl db all all cert\nhost x all all reject\n");
                          },
                          read_directory};
    require(load_auth_rules(*config, files, {}).empty());
    return config;
}

std::string message(char tag, std::string_view body) {
    std::string out(1, tag);
    const auto bytes = static_cast<uint32_t>(body.size() + 4);
    for (int shift = 24; shift >= 0; shift -= 8)
        out.push_back(static_cast<char>(bytes >> shift & 0xff));
    return out.append(body);
}

struct Client {
    LinkPtr link;
    std::string user;
    std::string got;  // since the last start
    bool may_enter = false;
    std::unique_ptr<ScramClient> scram;
};

class Conversation {
  public:
    explicit Conversation(uint8_t kind) : rig_(make_config(kind)) {
        rig_.context().secrets = &oracle_;
        rig_.shared().password_checker = &oracle_;
        for (const char* user : kUsers)
            rig_.know_server("db", user);
        connect(kind);
    }

    void step(Input& input) {
        const uint8_t op = input.byte();
        Client& client = clients_[op / 16 % clients_.size()];
        switch (op % 16) {
            case 0:
            case 1: send(client, input.text()); break;
            case 2:
                start(client, kUsers[input.byte() % 4], input.byte() % 4 == 0 ? "x" : "db");
                break;
            case 3: send(client, message('p', input.text())); break;
            case 4: send(client, message('p', input.text() + std::string(1, '\0'))); break;
            case 5: send_password(client, input.byte()); break;
            case 6: send_scram(client); break;
            case 7: answer(input.byte()); break;
            case 8: rig_.pass(std::chrono::milliseconds(input.byte() * 300)); break;
            case 9: rig_.hang_up(*client.link); break;
            case 10: connect(input.byte()); break;
            case 11: rig_.set_config(make_config(input.byte())); break;
            case 12: send(client, std::string("\0\0\0\x08\x04\xd2\x16\x2f", 8)); break;
            case 13: send(client, message(static_cast<char>(input.byte()), input.text())); break;
            case 14: oracle_.is_quick = input.byte() % 2 == 0; break;
            default: send(client, make_cancel_request(CancelKey::of_word(input.byte()))); break;
        }
        look();
    }

    void finish() {
        for (Client& client : clients_)
            rig_.hang_up(*client.link);
        rig_.pass(std::chrono::seconds(200));
        require(rig_.clients() == 0);
        require(!rig_.trace().has_failed());
    }

  private:
    void connect(uint8_t kind) {
        if (clients_.size() == 8) return;
        constexpr const char* kAddresses[] = {"unix", "192.0.2.1", "2001:db8::1", "198.51.100.1"};
        Client client;
        client.link = rig_.connect(kAddresses[kind % 4]);
        clients_.push_back(std::move(client));
    }

    void send(Client& client, std::string bytes) { rig_.send(*client.link, std::move(bytes)); }

    void start(Client& client, const std::string& user, const std::string& database) {
        client.user = user;
        rig_.start(*client.link, user, database);
    }

    // The right password; whatever comes of it is right.
    void send_password(Client& client, uint8_t kind) {
        client.may_enter = true;
        std::string text(kSecret);
        if (kind % 2 == 1 && client.got.size() >= 13) {
            const std::string_view salt = std::string_view(client.got).substr(9, 4);
            text = md5_response(md5_secret(kSecret, client.user),
                                std::span<const uint8_t, 4>(as_bytes(salt).data(), 4));
        }
        send(client, message('p', text + std::string(1, '\0')));
    }

    void send_scram(Client& client) {
        client.may_enter = true;
        if (!client.scram) {
            constexpr std::array<uint8_t, 18> kNonce{};
            client.scram = std::make_unique<ScramClient>(kSecret, make_scram_nonce(kNonce));
            const std::string first = client.scram->client_first();
            std::string body = "SCRAM-SHA-256";
            body.push_back('\0');
            body += message('x', first).substr(1, 3);
            body.push_back(static_cast<char>(first.size()));
            return send(client, message('p', body + first));
        }
        const size_t at = client.got.rfind("r=");
        if (at == std::string::npos) return;
        const auto final = client.scram->on_server_first(std::string_view(client.got).substr(at));
        if (final) send(client, message('p', *final));
    }

    void answer(uint8_t kind) {
        for (ControlMessage& it : rig_.to_control)
            if (it.kind == ControlMessage::Kind::FindSystemUser)
                oracle_.questions.push_back(it.question);
        rig_.to_control.clear();
        if (oracle_.questions.empty()) return;
        LoginAnswer out;
        out.question = oracle_.questions[kind / 8 % oracle_.questions.size()];
        const bool is_good = (kind & 4) != 0;
        switch (kind % 4) {
            case 0: out.value = UserSecret{is_good, SecretString(kSecret)}; break;
            case 1: out.value = PasswordVerdict{is_good}; break;
            case 2: out.value = SystemUser{is_good ? "u" : "nobody"}; break;
            default: out.value = Error("08006", "cannot tell"); break;
        }
        if (is_good) {
            for (Client& client : clients_)
                client.may_enter = true;
        }
        rig_.deliver(std::move(out));
    }

    void look() {
        for (Client& client : clients_) {
            client.got += rig_.received(*client.link);
            const bool is_in = client.got.find(kAllowed) != std::string::npos;
            require(!is_in || client.may_enter);
            if (client.got.size() > 4096) client.got.erase(0, client.got.size() - 1024);
        }
        require(!rig_.trace().has_failed());
    }

    Oracle oracle_;
    LoginRig rig_;
    std::vector<Client> clients_;
};

}  // namespace
}  // namespace weir::sim

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    weir::sim::Input input({data, size});
    weir::sim::Conversation conversation(input.byte());
    for (int steps = 0; steps < 64 && !input.is_empty(); ++steps)
        conversation.step(input);
    conversation.finish();
    return 0;
}
