// Loop: a libuv loop and the few handles that Weir needs of it, as RAII wrappers. A handle outlives
// its wrapper by one turn of the loop (libuv closes asynchronously): the wrapper owns a box that
// frees itself when closed. Thread: the loop's, except Wakeup::wake(), which is any thread's.
#pragma once

#include <uv.h>

#include <functional>
#include <string>
#include <vector>

namespace weir {

class Loop {
  public:
    Loop();
    // Closes what is left open and runs until it is closed.
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    void run() { uv_run(&loop_, UV_RUN_DEFAULT); }
    void run_ready() { uv_run(&loop_, UV_RUN_NOWAIT); }
    void stop() { uv_stop(&loop_); }
    // Becomes readable when run_ready() has something to do.
    [[nodiscard]] int fd() const { return uv_backend_fd(&loop_); }
    uv_loop_t* get() { return &loop_; }

  private:
    uv_loop_t loop_;
};

// Calls back on the loop's thread after wake() was called on any thread, once for any number of
// calls.
class Wakeup {
  public:
    Wakeup(Loop& loop, std::function<void()> callback);
    ~Wakeup();
    Wakeup(const Wakeup&) = delete;
    Wakeup& operator=(const Wakeup&) = delete;
    void wake();

  private:
    struct Box;
    Box* box_;
};

// Calls back every `period_ms`.
class Ticker {
  public:
    Ticker(Loop& loop, unsigned period_ms, std::function<void()> callback);
    ~Ticker();
    Ticker(const Ticker&) = delete;
    Ticker& operator=(const Ticker&) = delete;

  private:
    struct Box;
    Box* box_;
};

class SignalHandle {
  public:
    SignalHandle(Loop& loop, int number, std::function<void()> callback);
    ~SignalHandle();
    SignalHandle(const SignalHandle&) = delete;
    SignalHandle& operator=(const SignalHandle&) = delete;

  private:
    struct Box;
    Box* box_;
};

}  // namespace weir
