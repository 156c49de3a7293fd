#include "proxy/auth/secret_flights.h"

#include <utility>

#include "protocol/base/check.h"

namespace weir {

bool SecretFlights::join(const SecretKey& key, LoginQuestion question) {
    const std::lock_guard lock(mutex_);
    const auto [at, is_first] = flights_.try_emplace(key);
    Flight& flight = at->second;
    (flight.has_departed ? flight.next : flight.aboard).push_back(std::move(question));
    return is_first;
}

bool SecretFlights::drop_unwanted(const SecretKey& key) {
    const auto is_over = [](const LoginQuestion& question) {
        return question.is_over != nullptr && question.is_over->load();
    };
    const std::lock_guard lock(mutex_);
    const auto found = flights_.find(key);
    WEIR_CHECK(found != flights_.end());
    Flight& flight = found->second;
    std::erase_if(flight.aboard, is_over);
    std::erase_if(flight.next, is_over);
    if (!flight.aboard.empty() || !flight.next.empty()) return false;
    flights_.erase(found);
    return true;
}

void SecretFlights::depart(const SecretKey& key) {
    const std::lock_guard lock(mutex_);
    const auto found = flights_.find(key);
    WEIR_CHECK(found != flights_.end());
    found->second.has_departed = true;
}

SecretFlights::Landed SecretFlights::land(const SecretKey& key) {
    const std::lock_guard lock(mutex_);
    const auto found = flights_.find(key);
    WEIR_CHECK(found != flights_.end());
    Flight& flight = found->second;
    Landed out;
    out.to_tell.swap(flight.aboard);
    out.has_next = !flight.next.empty();
    if (!out.has_next) {
        flights_.erase(found);
        return out;
    }
    flight.aboard.swap(flight.next);
    flight.has_departed = false;
    return out;
}

}  // namespace weir
