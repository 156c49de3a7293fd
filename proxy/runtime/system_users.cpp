#include "proxy/runtime/system_users.h"

#include <pwd.h>

#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "protocol/base/check.h"

namespace weir {

namespace {

struct Lookup {
    uv_work_t request;
    uint32_t uid = 0;
    std::string name;
    std::function<void(std::string)> done;
};

void work(uv_work_t* request) noexcept {
    auto* lookup = static_cast<Lookup*>(request->data);
    constexpr size_t kBytesMax = 1 << 20;
    for (size_t bytes = 1024; bytes <= kBytesMax; bytes *= 2) {
        std::vector<char> buffer(bytes);
        passwd entry{};
        passwd* found = nullptr;
        const int error = getpwuid_r(lookup->uid, &entry, buffer.data(), bytes, &found);
        if (error == ERANGE) continue;
        if (found != nullptr) lookup->name = found->pw_name;
        return;
    }
}

void after(uv_work_t* request, int) noexcept {
    const std::unique_ptr<Lookup> lookup(static_cast<Lookup*>(request->data));
    lookup->done(std::move(lookup->name));
}

}  // namespace

void find_system_user(Loop& loop, uint32_t uid, std::function<void(std::string)> done) {
    auto lookup = std::make_unique<Lookup>();
    lookup->uid = uid;
    lookup->done = std::move(done);
    lookup->request.data = lookup.get();
    WEIR_CHECK(uv_queue_work(loop.get(), &lookup->request, work, after) == 0);
    (void)lookup.release();  // after() owns it now
}

}  // namespace weir
