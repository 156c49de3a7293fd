// SecretFlights: who waits for the answer to which auth_query, over all workers, so that many
// logins of one user at the same time ask once. A flight is one query, asked by the worker whose
// client came first. Others board it until the query is sent; who comes later waits for the next
// one, so that nobody is judged by an answer that is older than the login.
//
//   join -> (first: asks) -> depart -> land -> (somebody waits for the next: asks again)
//
// Thread: any (one mutex, at login only).
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "proxy/auth/login_question.h"
#include "proxy/auth/secret_key.h"

namespace weir {

class SecretFlights {
  public:
    // Who asks `question` will be told. True: the caller's worker has to ask.
    bool join(const SecretKey& key, LoginQuestion question);

    // ---- of the worker that asks ----

    // The query goes out now.
    void depart(const SecretKey& key);
    struct Landed {
        std::vector<LoginQuestion> to_tell;
        bool has_next = false;  // others have come: ask again
    };
    // The answer is there, or there will be none.
    Landed land(const SecretKey& key);
    // True: all logins that waited for it are over, and the flight is no more.
    bool drop_unwanted(const SecretKey& key);

  private:
    struct Flight {
        std::vector<LoginQuestion> aboard;
        std::vector<LoginQuestion> next;
        bool has_departed = false;
    };

    mutable std::mutex mutex_;
    std::map<SecretKey, Flight> flights_;  // bounded by the clients that log in
};

}  // namespace weir
