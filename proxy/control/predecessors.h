// Predecessors: the conversations with the processes that have been taken over from and still serve
// clients of theirs (weir -R); usually none or one, more when restarts follow each other. Brings
// what they send to where it belongs: sessions that follow late to a worker, further conversations
// here; and passes cancel requests on to them.
//
// Each has a thread that receives. Sending is the control thread's.
// Owner: Control. Thread: control, but for pass_on().
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "proxy/control/context.h"
#include "proxy/control/inbox.h"
#include "proxy/session/predecessor.h"
#include "proxy/takeover/channel.h"
#include "proxy/takeover/state.h"

namespace weir {

class Predecessors final : public Predecessor {
  public:
    Predecessors(ControlContext& context, Inbox& inbox) : ctx_(context), inbox_(inbox) {}
    ~Predecessors() override { stop(); }
    Predecessors(const Predecessors&) = delete;
    Predecessors& operator=(const Predecessors&) = delete;

    // Workers exist.
    void add(std::unique_ptr<HandoverChannel> channel, bool hears_visitors);
    [[nodiscard]] bool are_there() const { return !links_.empty(); }
    // This process is over: its own successor goes on with the conversations; descriptors are the
    // caller's. What has been received until now has reached its worker when this returns.
    [[nodiscard]] std::vector<HandedLink> take_all();
    void stop();

    // Thread: any worker's.
    bool pass_on(WorkerContext& ctx, ClientSession& session, const CancelKey& key) override;

  private:
    // One conversation and its thread.
    struct Link {
        Link(std::unique_ptr<HandoverChannel> its_channel, bool hears);
        ~Link();
        void stop();

        const std::unique_ptr<HandoverChannel> channel;
        const bool hears_visitors;
        const int stop_fd;  // readable: the thread is to end
        std::thread thread;
    };
    void receive(Link& link);
    void on_ended(const Link* link);
    void send_visitor(const HandedSession& session);

    ControlContext& ctx_;
    Inbox& inbox_;
    std::vector<std::unique_ptr<Link>> links_;
    std::shared_ptr<const int> life_ = std::make_shared<const int>();
};

}  // namespace weir
