#include "proxy/runtime/loop.h"

#include <memory>

#include "protocol/base/check.h"

namespace weir {

namespace {

template <typename Box>
void close_box(Box* box) {
    box->callback = nullptr;  // nothing is called any more
    uv_close(reinterpret_cast<uv_handle_t*>(&box->handle),
             [](uv_handle_t* handle) { delete static_cast<Box*>(handle->data); });
}

template <typename Box, typename Handle>
void call(Handle* handle) noexcept {
    const Box* box = static_cast<Box*>(handle->data);
    if (box->callback) box->callback();
}

}  // namespace

Loop::Loop() {
    WEIR_CHECK(uv_loop_init(&loop_) == 0);
}

Loop::~Loop() {
    uv_run(&loop_, UV_RUN_NOWAIT);  // lets closing handles close
    while (uv_loop_close(&loop_) == UV_EBUSY)
        uv_run(&loop_, UV_RUN_ONCE);
}

struct Wakeup::Box {
    uv_async_t handle;
    std::function<void()> callback;
};

Wakeup::Wakeup(Loop& loop, std::function<void()> callback)
    : box_(new Box{{}, std::move(callback)}) {
    box_->handle.data = box_;
    WEIR_CHECK(uv_async_init(loop.get(), &box_->handle, [](uv_async_t* h) { call<Box>(h); }) == 0);
}

Wakeup::~Wakeup() {
    close_box(box_);
}

void Wakeup::wake() {
    uv_async_send(&box_->handle);
}

struct Ticker::Box {
    uv_timer_t handle;
    std::function<void()> callback;
};

Ticker::Ticker(Loop& loop, unsigned period_ms, std::function<void()> callback)
    : box_(new Box{{}, std::move(callback)}) {
    box_->handle.data = box_;
    uv_timer_init(loop.get(), &box_->handle);
    uv_timer_start(
        &box_->handle, [](uv_timer_t* h) { call<Box>(h); }, period_ms, period_ms);
}

Ticker::~Ticker() {
    close_box(box_);
}

struct SignalHandle::Box {
    uv_signal_t handle;
    std::function<void()> callback;
};

SignalHandle::SignalHandle(Loop& loop, int number, std::function<void()> callback)
    : box_(new Box{{}, std::move(callback)}) {
    box_->handle.data = box_;
    uv_signal_init(loop.get(), &box_->handle);
    uv_signal_start(
        &box_->handle, [](uv_signal_t* h, int) { call<Box>(h); }, number);
}

SignalHandle::~SignalHandle() {
    close_box(box_);
}

}  // namespace weir
