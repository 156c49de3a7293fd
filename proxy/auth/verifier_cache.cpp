#include "proxy/auth/verifier_cache.h"

#include "protocol/base/random.h"

namespace weir {

ScramVerifier VerifierCache::get(const std::string& user, const SecretString& password,
                                 uint32_t iterations) {
    {
        const std::lock_guard lock(mutex_);
        const auto found = by_user_.find(user);
        if (found != by_user_.end() && found->second.password == password &&
            found->second.verifier.iterations == iterations) {
            return found->second.verifier;
        }
    }
    std::array<uint8_t, 16> salt{};
    secure_random(salt);
    ScramVerifier verifier = make_scram_verifier(password.view(), salt, iterations);
    const std::lock_guard lock(mutex_);
    by_user_[user] = {password, verifier};
    return verifier;
}

}  // namespace weir
