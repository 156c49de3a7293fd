// Bridge: takes a request from a thread of the HTTP library to the control thread and the answer
// back. The HTTP thread waits, for kPatience at most; the control thread never does. An answer that
// comes too late, or twice, is dropped.
//
// Locks: each request has a mutex of its own for its answer; Bridge's guards is_closed_. Owner:
// HttpService. Thread: ask() any; close() control.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "admin/http/routes.h"

namespace weir {

class Bridge {
  public:
    // Makes a call on the control thread soon; may be used from any thread.
    using Post = std::function<void(std::function<void()>)>;
    static constexpr std::chrono::milliseconds kPatience{5000};

    explicit Bridge(Post post) : post_(std::move(post)) {}
    ~Bridge() { close(); }
    Bridge(const Bridge&) = delete;
    Bridge& operator=(const Bridge&) = delete;

    // 503 when nobody answers in time, or when it is closed.
    [[nodiscard]] HttpResponse ask(const HttpHandler& handler, const HttpRequest& request);
    // Nobody waits any longer, now and later: the control thread takes no calls any more.
    void close();

  private:
    struct Pending;

    const Post post_;
    std::mutex mutex_;
    bool is_closed_ = false;
    std::set<std::shared_ptr<Pending>> pending_;
};

}  // namespace weir
