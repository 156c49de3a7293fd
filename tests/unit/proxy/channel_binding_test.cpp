// SCRAM-SHA-256-PLUS: what is offered, what is chosen, and what is told to whom tampers with it.
#include <doctest/doctest.h>

#include "protocol/auth/scram_message.h"
#include "protocol/message/backend.h"
#include "protocol/message/frontend.h"
#include "protocol/message/writer.h"
#include "proxy/auth/password_exchange.h"
#include "proxy/server/server_login.h"

namespace weir::channel_binding_test {
using Step = PasswordExchange::Step;

namespace {

const std::string kHash(32, 'h');
const std::string kNonce = "rOprNGfwEbeRWgbNEkqO";

ByteView body_of(const std::string& message) {
    return as_bytes(message).subspan(5);
}

std::string initial(std::string_view mechanism, std::string_view data) {
    std::string text;
    write_sasl_initial(text, mechanism, data);
    return text;
}

struct Login {
    explicit Login(std::optional<std::string> binding)
        : exchange(AuthMethod::ScramSha256, "app", secret(), {verifiers, as_bytes(mock), 4096},
                   std::move(binding)) {}

    static UserSecret secret() {
        UserSecret out;
        out.secret = SecretString("secret");
        out.is_known = true;
        return out;
    }
    Step first(std::string_view mechanism, std::string_view data) {
        (void)exchange.request();
        return exchange.on_message(body_of(initial(mechanism, data)));
    }

    VerifierCache verifiers;
    std::string mock = std::string(32, 'm');
    PasswordExchange exchange;
};

// The whole of it against a client with this binding; true when it is let in.
bool lets_in(std::optional<std::string> offered, std::optional<std::string> bound) {
    Login login(std::move(offered));
    ScramClient client("secret", kNonce, bound);
    const std::string_view mechanism = bound ? kScramPlusMechanism : kScramMechanism;
    Step step = login.first(mechanism, client.client_first());
    if (step.kind != Step::Kind::Ask) return false;
    const auto challenge = view_auth(body_of(step.text));
    const Result<std::string> answer = client.on_server_first(as_text(challenge->data));
    if (!answer) return false;
    std::string response;
    write_sasl_response(response, *answer);
    step = login.exchange.on_message(body_of(response));
    if (step.kind != Step::Kind::Right) return false;
    return client.on_server_final(as_text(view_auth(body_of(step.text))->data)).has_value();
}

struct ServerSide {
    explicit ServerSide(std::optional<std::string> hash) : login(credentials(), DatabaseConfig()) {
        login.set_end_point_hash(std::move(hash));
    }
    static ServerCredentials credentials() {
        ServerCredentials out;
        out.user = "app";
        out.secret = SecretString("secret");
        return out;
    }
    // The mechanism and the header of what is answered to this offer; the error's text if none.
    std::string answer_to(const std::vector<std::string_view>& mechanisms) {
        std::string offer(4, '\0');
        offer[3] = 10;
        for (const std::string_view one : mechanisms)
            offer.append(one).push_back('\0');
        offer.push_back('\0');
        std::string reply;
        const Result<bool> done =
            login.on_message(BackendTag::Authentication, as_bytes(offer), reply);
        if (!done) return done.error().message;
        const auto view = view_sasl_initial(body_of(reply));
        const std::string_view data = view->data;
        return std::string(view->mechanism) + " " + std::string(data.substr(0, data.find(',')));
    }
    ServerLogin login;
};

}  // namespace

TEST_CASE("binding is offered when there is something to bind to") {
    CHECK(as_text(view_auth(body_of(Login(std::nullopt).exchange.request()))->data) ==
          std::string_view("SCRAM-SHA-256\0\0", 15));
    CHECK(as_text(view_auth(body_of(Login(kHash).exchange.request()))->data) ==
          std::string_view("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0", 34));
}

TEST_CASE(
    "a client that binds to our certificate is let in, and one that binds to another is not") {
    CHECK(lets_in(kHash, kHash));
    CHECK(lets_in(kHash, std::nullopt));
    CHECK(lets_in(std::nullopt, std::nullopt));
    CHECK_FALSE(lets_in(kHash, std::string(32, 'x')));
    CHECK_FALSE(lets_in(std::nullopt, kHash));
}

TEST_CASE("mechanism and flag have to fit each other, and a removed offer is noticed") {
    const std::string bare = "n=,r=" + kNonce;
    const auto kind = [&](std::optional<std::string> binding, std::string_view mechanism,
                          const std::string& header) {
        return Login(std::move(binding)).first(mechanism, header + bare).kind;
    };
    CHECK(kind(kHash, kScramPlusMechanism, "p=tls-server-end-point,,") == Step::Kind::Ask);
    CHECK(kind(kHash, kScramMechanism, "n,,") == Step::Kind::Ask);
    CHECK(kind(std::nullopt, kScramMechanism, "y,,") == Step::Kind::Ask);
    CHECK(kind(kHash, kScramMechanism, "y,,") == Step::Kind::Violation);
    CHECK(kind(kHash, kScramMechanism, "p=tls-server-end-point,,") == Step::Kind::Violation);
    CHECK(kind(kHash, kScramPlusMechanism, "n,,") == Step::Kind::Violation);
    CHECK(kind(kHash, kScramPlusMechanism, "p=tls-unique,,") == Step::Kind::Violation);
    CHECK(kind(std::nullopt, kScramPlusMechanism, "p=tls-server-end-point,,") ==
          Step::Kind::Violation);
}

TEST_CASE("towards a server the strongest is chosen, and the flag tells what we could have done") {
    CHECK(ServerSide(kHash).answer_to({kScramPlusMechanism, kScramMechanism}) ==
          "SCRAM-SHA-256-PLUS p=tls-server-end-point");
    CHECK(ServerSide(kHash).answer_to({kScramPlusMechanism}) ==
          "SCRAM-SHA-256-PLUS p=tls-server-end-point");
    CHECK(ServerSide(kHash).answer_to({kScramMechanism}) == "SCRAM-SHA-256 y");
    CHECK(ServerSide(std::nullopt).answer_to({kScramPlusMechanism, kScramMechanism}) ==
          "SCRAM-SHA-256 n");
    CHECK(ServerSide(std::nullopt).answer_to({kScramPlusMechanism}) ==
          "server offers no supported SASL mechanism");
    CHECK(ServerSide(std::nullopt).answer_to({kScramMechanism}) == "SCRAM-SHA-256 n");
}

}  // namespace weir::channel_binding_test
