#include "proxy/control/predecessors.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "conf/logging.h"
#include "proxy/control/late_session.h"
#include "proxy/session/clients.h"
#include "proxy/takeover/collect.h"
#include "proxy/takeover/fields.h"

namespace weir {

namespace {

constexpr Duration kFlushPatience = std::chrono::seconds(1);

}  // namespace

Predecessors::Link::Link(std::unique_ptr<HandoverChannel> its_channel, bool hears)
    : channel(std::move(its_channel)),
      hears_visitors(hears),
      stop_fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Predecessors::Link::~Link() {
    stop();
    ::close(stop_fd);
}

void Predecessors::Link::stop() {
    if (!thread.joinable()) return;
    (void)eventfd_write(stop_fd, 1);
    thread.join();
}

void Predecessors::add(std::unique_ptr<HandoverChannel> channel, bool hears_visitors) {
    Link& link = *links_.emplace_back(std::make_unique<Link>(std::move(channel), hears_visitors));
    link.thread = std::thread([this, &link] { receive(link); });
    ctx_.shared.predecessor.store(this, std::memory_order_release);
}

std::vector<HandedLink> Predecessors::take_all() {
    std::vector<HandedLink> out;
    for (const auto& link : links_) {
        link->stop();
        out.push_back({link->channel->release(), link->hears_visitors});
    }
    stop();
    return out;
}

void Predecessors::stop() {
    ctx_.shared.predecessor.store(nullptr, std::memory_order_release);
    links_.clear();
}

// ---- what they send ----

void Predecessors::receive(Link& link) {
    while (link.channel->await(link.stop_fd)) {
        const Result<HandoverChannel::Frame> frame = link.channel->receive();
        if (!frame) {
            inbox_.call_later([this, ended = &link, life = std::weak_ptr(life_)] {
                if (!life.expired()) on_ended(ended);
            });
            return;
        }
        if (frame->fd < 0) continue;
        const ByteView body = as_bytes(std::string_view(frame->body));
        std::optional<HandedLink> further;
        switch (static_cast<HandoverTag>(frame->tag)) {
            case HandoverTag::Late: deal_late(ctx_, *frame); continue;
            case HandoverTag::Link: further = read_record<HandedLink>(body); break;
            default: break;
        }
        if (!further) {
            ::close(frame->fd);
            continue;
        }
        inbox_.call_later([this, fd = frame->fd, hears = further->hears_visitors] {
            add(std::make_unique<HandoverChannel>(fd), hears);
        });
    }
}

// It serves nobody any more.
void Predecessors::on_ended(const Link* link) {
    std::erase_if(links_, [link](const auto& it) { return it.get() == link; });
    if (links_.empty()) ctx_.shared.predecessor.store(nullptr, std::memory_order_release);
}

// ---- what they are sent ----

bool Predecessors::pass_on(WorkerContext& ctx, ClientSession& session, const CancelKey& key) {
    auto handed = std::make_shared<HandedSession>(collect_visitor(session, key));
    ctx_.shared.in_transit.fetch_add(1);
    // Whoever has it speaks plainly there: it is told the end of its TLS now.
    if (session.tls != nullptr) ctx.channel(session).finish();
    handed->fd = ctx.clients->detach(session);
    inbox_.call_later([this, handed] { send_visitor(*handed); });
    return true;
}

void Predecessors::send_visitor(const HandedSession& session) {
    for (const auto& link : links_) {
        if (!link->hears_visitors) continue;
        Status sent = link->channel->send(HandoverTag::Visitor, write_record(session), session.fd);
        if (sent) sent = link->channel->flush_by(ctx_.clock.now() + kFlushPatience);
        if (!sent) log::warning("a cancel request is lost: {}", sent.error().message);
    }
    ::close(session.fd);
    ctx_.shared.in_transit.fetch_sub(1);
}

}  // namespace weir
