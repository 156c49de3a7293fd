#include "proxy/takeover/world_wire.h"

#include "proxy/takeover/fields.h"

namespace weir {

namespace {

template <typename T>
int fd_of(const T& record) {
    if constexpr (requires { record.fd; }) {
        return record.fd;
    } else {
        return -1;
    }
}

template <typename T>
Status send_all(HandoverChannel& channel, HandoverTag tag, const std::vector<T>& records) {
    for (const T& record : records) {
        if (Status sent = channel.send(tag, write_record(record), fd_of(record)); !sent)
            return sent;
    }
    return {};
}

template <typename T>
bool take(const HandoverChannel::Frame& frame, std::vector<T>& records) {
    std::optional<T> record = read_record<T>(as_bytes(std::string_view(frame.body)));
    if (!record) return false;
    if constexpr (requires { record->fd; }) {
        if (frame.fd < 0) return false;
        record->fd = frame.fd;
    }
    records.push_back(std::move(*record));
    return true;
}

bool take(const HandoverChannel::Frame& frame, HandedWorld& world) {
    switch (static_cast<HandoverTag>(frame.tag)) {
        case HandoverTag::Process: {
            auto process = read_record<HandedProcess>(as_bytes(std::string_view(frame.body)));
            if (process) world.process = std::move(*process);
            return process.has_value();
        }
        case HandoverTag::Listener: return take(frame, world.listeners);
        case HandoverTag::Welcome: return take(frame, world.welcomes);
        case HandoverTag::Group: return take(frame, world.groups);
        case HandoverTag::Statement: return take(frame, world.statements);
        case HandoverTag::Server: return take(frame, world.servers);
        case HandoverTag::Session: return take(frame, world.sessions);
        case HandoverTag::Cancel: return take(frame, world.cancels);
        default: return false;
    }
}

}  // namespace

Status send_world(HandoverChannel& channel, const HandedWorld& world) {
    Status sent = channel.send(HandoverTag::Process, write_record(world.process));
    if (sent) sent = send_all(channel, HandoverTag::Listener, world.listeners);
    if (sent) sent = send_all(channel, HandoverTag::Welcome, world.welcomes);
    if (sent) sent = send_all(channel, HandoverTag::Group, world.groups);
    if (sent) sent = send_all(channel, HandoverTag::Statement, world.statements);
    if (sent) sent = send_all(channel, HandoverTag::Server, world.servers);
    if (sent) sent = send_all(channel, HandoverTag::Session, world.sessions);
    if (sent) sent = send_all(channel, HandoverTag::Cancel, world.cancels);
    if (sent) sent = channel.send(HandoverTag::End);
    if (sent) sent = channel.flush();
    return sent;
}

Result<HandedWorld> receive_world(HandoverChannel& channel) {
    HandedWorld world;
    while (true) {
        Result<HandoverChannel::Frame> frame = channel.receive();
        if (!frame) return tl::unexpected<Error>(frame.error());
        if (static_cast<HandoverTag>(frame->tag) == HandoverTag::End) return world;
        if (!take(*frame, world))
            return fail("08P01", "malformed record from the process that is to be taken over");
    }
}

}  // namespace weir
