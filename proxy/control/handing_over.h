// HandingOver: the running process's side of a take-over by another one (weir -R); channel.h has
// the conversation.
//
//   Nothing -> Asked -> Settling -> Frozen -> (abort) -> Nothing
//                                      \-> Gone: this process serves nobody any more
//
// Settling: no server connection is begun; those that are being opened come up, everybody is
// served. Frozen: all workers stand still, for as long as the records take to be sent and adopted,
// suspend_timeout at the most. Whatever goes wrong until the last word (Go) thaws them, and nobody
// has noticed. Gone: clients that were in the middle of a password exchange finish it here and
// follow, encrypted ones stay, and cancel requests for these are passed on to us; when there is
// none left, the process ends.
//
// The conversation blocks, so it has a thread of its own, which asks the control thread for every
// step, and receives what comes when we are gone. Owner: Control. Thread: control, but for run(),
// ask() and serve_visitors().
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "proxy/control/context.h"
#include "proxy/control/database_orders.h"
#include "proxy/control/inbox.h"
#include "proxy/control/pidfile.h"
#include "proxy/takeover/channel.h"
#include "proxy/takeover/state.h"

namespace weir {

class HandingOver final : public Successor {
  public:
    HandingOver(ControlContext& context, Inbox& inbox, DatabaseOrders& orders, Pidfile& pidfile)
        : ctx_(context), inbox_(inbox), orders_(orders), pidfile_(pidfile) {}
    ~HandingOver() override { cancel(); }
    HandingOver(const HandingOver&) = delete;
    HandingOver& operator=(const HandingOver&) = delete;

    // May another process ask now?
    [[nodiscard]] Status check() const;
    // The process at the other end of `fd` takes over; the descriptor is ours.
    void start(int fd);
    // Nothing that workers have may be touched: all of it is on its way.
    [[nodiscard]] bool is_frozen() const { return stage_ == Stage::Frozen; }
    // Another process serves; so it is to end when its last client has gone or followed.
    [[nodiscard]] bool is_gone() const { return stage_ == Stage::Gone; }
    [[nodiscard]] bool is_over() const;
    // It is over: the conversation with a process before us goes on there. The descriptor is ours.
    void send_link(const HandedLink& link);
    // The process ends: a hand-over that is under way is off.
    void cancel();

    // Thread: any worker's.
    bool follow(WorkerContext& ctx, ClientSession& session) override;

  private:
    enum class Stage : uint8_t { Nothing, Asked, Frozen, Gone };

    void run();
    Status converse();
    void serve_visitors();
    bool ask(std::function<bool()> question);
    void hold_opening(bool is_held);
    [[nodiscard]] bool is_settled();
    void freeze();
    void thaw();
    void let_go(const std::string& pidfile);
    void keep_little();
    void send_late(const HandedSession& session);

    ControlContext& ctx_;
    Inbox& inbox_;
    DatabaseOrders& orders_;
    Pidfile& pidfile_;
    Stage stage_ = Stage::Nothing;
    std::unique_ptr<HandoverChannel> channel_;
    HandedWorld world_;
    std::atomic<bool> is_cancelled_{false};
    std::thread thread_;
};

}  // namespace weir
