// A thread that takes no signals: those are for the threads that wait for them.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <thread>
#include <utility>

namespace weir {

// `name`: at most 15 characters, as `top -H` shows it. The new thread inherits the mask that is in
// force while it is made. Thread: any.
template <typename Run>
[[nodiscard]] std::thread start_background_thread(const char* name, Run run) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    std::thread thread(std::move(run));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(thread.native_handle(), name);
    return thread;
}

}  // namespace weir
