#include "admin/http/bridge.h"

#include <condition_variable>
#include <optional>

namespace weir {

struct Bridge::Pending {
    std::mutex mutex;  // guards `answer`
    std::condition_variable is_there;
    std::optional<HttpResponse> answer;

    void give(HttpResponse response) {
        const std::lock_guard lock(mutex);
        if (answer) return;
        answer = std::move(response);
        is_there.notify_one();
    }
};

HttpResponse Bridge::ask(const HttpHandler& handler, const HttpRequest& request) {
    const auto pending = std::make_shared<Pending>();
    {
        const std::lock_guard lock(mutex_);
        if (is_closed_) return {503, "text/plain; charset=utf-8", "the process ends\n"};
        pending_.insert(pending);
    }
    // Copies: who has asked may have gone when the call is made.
    post_([handler, request, pending] {
        handler(request, [pending](HttpResponse response) { pending->give(std::move(response)); });
    });
    HttpResponse out{503, "text/plain; charset=utf-8",
                     "no answer from the control thread or a worker\n"};
    {
        std::unique_lock lock(pending->mutex);
        pending->is_there.wait_for(lock, kPatience, [&] { return pending->answer.has_value(); });
        if (pending->answer) out = std::move(*pending->answer);
        pending->answer.emplace();  // one that comes later is dropped
    }
    const std::lock_guard lock(mutex_);
    pending_.erase(pending);
    return out;
}

void Bridge::close() {
    std::set<std::shared_ptr<Pending>> all;
    {
        const std::lock_guard lock(mutex_);
        is_closed_ = true;
        all.swap(pending_);
    }
    for (const std::shared_ptr<Pending>& pending : all)
        pending->give({503, "text/plain; charset=utf-8", "the process ends\n"});
}

}  // namespace weir
