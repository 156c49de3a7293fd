#include "proxy/server/server_login.h"

#include "protocol/auth/md5.h"
#include "protocol/auth/scram_message.h"
#include "protocol/base/random.h"
#include "protocol/message/startup.h"
#include "protocol/message/writer.h"

namespace weir {

ServerLogin::ServerLogin(ServerCredentials credentials, const DatabaseConfig& database,
                         StartupExtras extras)
    : credentials_(std::move(credentials)),
      database_(database.dbname.empty() ? database.name : database.dbname),
      startup_parameters_(database.startup_parameters),
      extras_(std::move(extras)) {}

ServerLogin::~ServerLogin() = default;

void ServerLogin::set_end_point_hash(std::optional<std::string> hash) {
    end_point_hash_ = std::move(hash);
}

std::string ServerLogin::start() const {
    std::vector<std::pair<std::string, std::string>> parameters{{"user", credentials_.user},
                                                                {"database", database_}};
    for (const auto& parameter : startup_parameters_)
        parameters.push_back(parameter);
    for (const auto& parameter : extras_.parameters)
        parameters.push_back(parameter);
    return make_startup_message(parameters, extras_.version);
}

// Nothing needs to be given up but the length of the cancel key, which says itself how long it is.
Status ServerLogin::on_negotiation(ByteView body) {
    const auto answer = view_negotiation(body);
    const bool is_lower =
        answer && answer->version <= extras_.version && answer->unknown_options == 0;
    if (is_authenticated_ || !is_lower)
        return fail("08P01", "unexpected message from server during login");
    return {};
}

Result<bool> ServerLogin::on_message(BackendTag tag, ByteView body, std::string& reply) {
    switch (tag) {
        case BackendTag::Authentication: {
            const auto auth = view_auth(body);
            if (!auth || is_authenticated_) break;
            return on_auth(*auth, reply);
        }
        case BackendTag::ErrorResponse: {
            const ErrorView error = view_error(body);
            was_refused_ = true;
            return fail(error.sqlstate.size() == 5 ? error.sqlstate : "08P01",
                        std::string(error.message));
        }
        case BackendTag::NoticeResponse: return false;
        case BackendTag::NegotiateProtocolVersion:
            if (Status taken = on_negotiation(body); !taken)
                return tl::unexpected<Error>(taken.error());
            return false;
        case BackendTag::ParameterStatus: {
            const auto parameter = view_parameter_status(body);
            if (!parameter || !is_authenticated_) break;
            for (auto& [name, value] : welcome_.parameters) {
                if (name != parameter->name) continue;
                value = parameter->value;
                return false;
            }
            if (welcome_.parameters.size() >= 200) break;
            welcome_.parameters.emplace_back(parameter->name, parameter->value);
            return false;
        }
        case BackendTag::BackendKeyData: {
            auto key = view_backend_key_data(body);
            if (!key || !is_authenticated_) break;
            backend_key_ = std::move(*key);
            return false;
        }
        case BackendTag::ReadyForQuery:
            if (!is_authenticated_ || view_ready_for_query(body) != TransactionStatus::Idle) break;
            return true;
        default: break;
    }
    return fail("08P01", "unexpected message from server during login");
}

Result<bool> ServerLogin::on_auth(const AuthView& auth, std::string& reply) {
    constexpr const char* kWrongType = "server login failed: wrong password type";
    const SecretKind kind = classify_secret(credentials_.secret.view());
    switch (static_cast<AuthRequest>(auth.request)) {
        case AuthRequest::Ok: is_authenticated_ = true; return false;
        case AuthRequest::CleartextPassword:
            if (kind != SecretKind::Plain) return fail("28P01", kWrongType);
            write_password(reply, credentials_.secret.view());
            return false;
        case AuthRequest::Md5Password: {
            if (auth.data.size() != 4) return fail("08P01", "invalid md5 authentication request");
            if (kind != SecretKind::Plain && kind != SecretKind::Md5)
                return fail("28P01", kWrongType);
            const std::string hash =
                kind == SecretKind::Md5 ? std::string(credentials_.secret.view())
                                        : md5_secret(credentials_.secret.view(), credentials_.user);
            write_password(reply, md5_response(hash, auth.data.first<4>()));
            return false;
        }
        case AuthRequest::Sasl:
            if (Status started = start_scram(auth.data, reply); !started) {
                return tl::unexpected<Error>(started.error());
            }
            return false;
        case AuthRequest::SaslContinue: {
            if (scram_ == nullptr) return fail("08P01", "unexpected SASL message from server");
            Result<std::string> answer = scram_->on_server_first(as_text(auth.data));
            if (!answer) return tl::unexpected<Error>(answer.error());
            write_sasl_response(reply, *answer);
            return false;
        }
        case AuthRequest::SaslFinal: {
            if (scram_ == nullptr) return fail("08P01", "unexpected SASL message from server");
            if (Status verified = scram_->on_server_final(as_text(auth.data)); !verified) {
                return tl::unexpected<Error>(verified.error());
            }
            return false;
        }
    }
    return fail("28000",
                "server asks for unsupported authentication type " + std::to_string(auth.request));
}

Status ServerLogin::start_scram(ByteView mechanisms, std::string& reply) {
    ByteReader reader(mechanisms);
    bool is_offered = false;
    bool is_plus_offered = false;
    for (std::string_view name = reader.cstring(); reader.ok() && !name.empty();
         name = reader.cstring()) {
        is_offered = is_offered || name == kScramMechanism;
        is_plus_offered = is_plus_offered || name == kScramPlusMechanism;
    }
    const bool uses_plus = is_plus_offered && end_point_hash_.has_value();
    if ((!is_offered && !uses_plus) || scram_ != nullptr)
        return fail("28000", "server offers no supported SASL mechanism");
    if (Status made = make_scram(uses_plus ? end_point_hash_ : std::nullopt); !made) return made;
    if (end_point_hash_ && !is_plus_offered) scram_->note_binding_not_offered();
    write_sasl_initial(reply, uses_plus ? kScramPlusMechanism : kScramMechanism,
                       scram_->client_first());
    return {};
}

Status ServerLogin::make_scram(const std::optional<std::string>& channel_binding) {
    std::array<uint8_t, 18> random{};
    secure_random(random);
    std::string nonce = make_scram_nonce(random);
    if (classify_secret(credentials_.secret.view()) == SecretKind::Plain) {
        scram_ = std::make_unique<ScramClient>(credentials_.secret.view(), std::move(nonce),
                                               channel_binding);
        if (credentials_.derived_keys != nullptr) {
            const DerivedKeys& cached = *credentials_.derived_keys;
            scram_->offer_cached(cached.keys, cached.salt, cached.iterations);
        }
    } else if (credentials_.scram_keys != nullptr) {
        scram_ = std::make_unique<ScramClient>(*credentials_.scram_keys, std::move(nonce),
                                               channel_binding);
    } else {
        return fail("28P01", "server login failed: wrong password type");
    }
    return {};
}

std::shared_ptr<const DerivedKeys> ServerLogin::derived_keys() const {
    if (scram_ == nullptr || !scram_->is_done()) return nullptr;
    if (classify_secret(credentials_.secret.view()) != SecretKind::Plain) return nullptr;
    auto out = std::make_shared<DerivedKeys>();
    out->keys = scram_->derived_keys();
    out->salt.assign(scram_->salt().begin(), scram_->salt().end());
    out->iterations = scram_->iterations();
    return out;
}

}  // namespace weir
