// Input, the simple protocol, and what both protocols share; extended_protocol.cpp has the rest.
#include "admin/console/console_session.h"

#include "protocol/base/check.h"
#include "protocol/message/frontend.h"
#include "protocol/message/writer.h"

namespace weir {

// ---- input ----

void ConsoleSession::feed(std::string_view messages) {
    if (is_closed()) return;
    input_.erase(0, input_at_);
    input_at_ = 0;
    if (input_.size() + messages.size() > kInputBytesMax) {
        return fail_for_good("too many commands are waiting");
    }
    input_ += messages;
}

const ConsoleStatement* ConsoleSession::advance() {
    WEIR_CHECK(state_ != State::Running);
    while (state_ == State::Idle) {
        if (is_in_query_) {
            next_of_script();
            continue;
        }
        const std::string_view rest = std::string_view(input_).substr(input_at_);
        if (rest.empty()) return nullptr;
        const FrameParser parser(Direction::FromClient);
        const Piece piece = parser.peek(as_bytes(rest));
        // The traffic code hands over whole messages of known types.
        if (piece.kind != Piece::Kind::Start || !piece.is_complete()) {
            fail_for_good("invalid message type or length");
            return nullptr;
        }
        input_at_ += piece.bytes.size();
        on_message(static_cast<FrontendTag>(piece.tag), piece.body());
    }
    if (state_ == State::Closed) return nullptr;
    return is_in_query_ ? &simple_ : portals_.find(portal_name_)->second.statement.get();
}

void ConsoleSession::on_message(FrontendTag tag, ByteView body) {
    if (tag == FrontendTag::Terminate) {
        state_ = State::Closed;
        return;
    }
    if (is_skipping_to_sync_ && tag != FrontendTag::Sync) return;
    switch (tag) {
        case FrontendTag::Query: return on_query(body);
        case FrontendTag::Parse: return on_parse(body);
        case FrontendTag::Bind: return on_bind(body);
        case FrontendTag::Describe: return on_describe(body);
        case FrontendTag::Execute: return on_execute(body);
        case FrontendTag::Close: return on_close(body);
        case FrontendTag::Sync: return on_sync();
        case FrontendTag::FunctionCall:
            fail_query(Error("0A000", "function calls are not supported by the console"));
            return;
        case FrontendTag::Password: return fail_for_good("unexpected password message");
        default: return;  // Flush: answers never wait; COPY messages after a failed COPY: ignored
    }
}

std::vector<AttachedDescriptor> ConsoleSession::take_descriptors() {
    return std::exchange(descriptors_, {});
}

std::string ConsoleSession::take_output() {
    return std::exchange(output_, {});
}

// ---- the simple protocol ----

void ConsoleSession::on_query(ByteView body) {
    const auto query = view_query(body);
    if (!query) return fail_query(Error("08P01", "invalid Query message"));
    prepared_.erase("");
    drop_portals();
    Result<std::vector<Command>> commands = read_commands(query->sql);
    if (!commands) return fail_query(commands.error());
    if (commands->empty()) {
        write_empty(output_, BackendTag::EmptyQueryResponse);
        return ready();
    }
    script_ = std::move(*commands);
    script_next_ = 0;
    is_in_query_ = true;
}

void ConsoleSession::next_of_script() {
    if (script_next_ == script_.size()) {
        is_in_query_ = false;
        return ready();
    }
    Result<ConsoleStatement> statement = resolve(std::move(script_[script_next_++]), is_admin_);
    if (!statement) return fail_query(statement.error());
    simple_ = std::move(*statement);
    state_ = State::Running;
}

void ConsoleSession::complete_simple(const CommandOutcome& outcome) {
    write_notices(outcome);
    if (outcome.error) return fail_query(*outcome.error, outcome.detail);
    if (simple_.has_rows()) {
        write_columns(output_, simple_.columns(), {});
        for (size_t i = 0; i < outcome.rows.size(); ++i) {
            if (i < outcome.descriptors.size() && outcome.descriptors[i] != nullptr)
                descriptors_.push_back({output_.size(), outcome.descriptors[i]});
            write_row(output_, simple_.columns(), outcome.rows[i], {});
        }
    }
    write_command_complete(output_, outcome.tag);
}

// ---- both ----

void ConsoleSession::complete(CommandOutcome outcome) {
    if (is_closed()) return;
    WEIR_CHECK(state_ == State::Running);
    state_ = State::Idle;
    if (outcome.kind == CommandOutcome::Kind::Ending) {
        state_ = State::Closed;
        return;
    }
    if (outcome.deallocated) {
        if (outcome.deallocated->empty()) {
            prepared_.clear();
        } else {
            prepared_.erase(*outcome.deallocated);
        }
    }
    is_in_transaction_ = outcome.is_in_transaction.value_or(is_in_transaction_);
    if (is_in_query_) return complete_simple(outcome);
    complete_portal(std::move(outcome));
}

void ConsoleSession::notify(const ConsoleNotice& notice) {
    write_notice(output_, {.severity = "NOTICE",
                           .sqlstate = "00000",
                           .message = notice.message,
                           .detail = notice.detail});
}

void ConsoleSession::write_notices(const CommandOutcome& outcome) {
    for (const ConsoleNotice& notice : outcome.notices)
        notify(notice);
}

void ConsoleSession::fail_query(const Error& error, std::string_view detail) {
    write_error(output_, {.sqlstate = error.sqlstate,
                          .message = error.message,
                          .detail = detail.empty() ? std::string_view(error.detail) : detail});
    is_in_query_ = false;
    script_.clear();
    ready();
}

void ConsoleSession::fail_batch(const Error& error, std::string_view detail) {
    write_error(output_, {.sqlstate = error.sqlstate,
                          .message = error.message,
                          .detail = detail.empty() ? std::string_view(error.detail) : detail});
    is_skipping_to_sync_ = true;
}

void ConsoleSession::fail_for_good(std::string_view message) {
    write_error(output_, {.severity = "FATAL", .sqlstate = "08P01", .message = message});
    state_ = State::Closed;
}

void ConsoleSession::ready() {
    write_ready_for_query(output_, TransactionStatus::Idle);
}

}  // namespace weir
