// One client connection of the load generator as a state machine over bytes: it logs in, prepares
// what its mode needs, and then runs one transaction at a time. It does no I/O: bytes that came in
// are fed to it, bytes to be sent are taken from it.
//
//   Connecting -> LoggingIn -> Preparing -> Ready <-> Running        (any) -> Failed
//                     |________________________^   (only `prepared` prepares)
//
// Thread: that of the Driver which owns it.

#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "bench/load/message.h"

namespace weir::bench {

enum class Mode { Simple, Extended, Prepared, Connect, Idle };

// What all sessions send; built once.
struct Script {
    Mode mode = Mode::Simple;
    std::string password;
    std::string startup;
    std::string prepare;      // empty if the mode prepares nothing
    std::string transaction;  // sent in one piece, answered up to ReadyForQuery
};

inline Script make_script(Mode mode, std::string_view user, std::string_view database,
                          std::string_view password, std::string_view query) {
    Script script;
    script.mode = mode;
    script.password = password;
    {
        const MessageScope scope(script.startup, '\0');
        append_u32(script.startup, kProtocolVersion30);
        for (const std::string_view text :
             {std::string_view("user"), user, std::string_view("database"), database,
              std::string_view("application_name"), std::string_view("weir-load")}) {
            append_cstring(script.startup, text);
        }
        script.startup.push_back('\0');
    }
    const auto parse = [query](std::string& out, std::string_view name) {
        const MessageScope scope(out, 'P');
        append_cstring(out, name);
        append_cstring(out, query);
        append_u16(out, 0);
    };
    std::string& out = script.transaction;
    std::string_view statement;
    if (mode == Mode::Prepared) {
        statement = "weir_load_1";
        parse(script.prepare, statement);
        append_message(script.prepare, 'S');
    } else if (mode == Mode::Extended) {
        parse(out, statement);
    } else {
        const MessageScope scope(out, 'Q');
        append_cstring(out, query);
        return script;
    }
    {
        const MessageScope scope(out, 'B');
        append_cstring(out, "");
        append_cstring(out, statement);
        append_u16(out, 0);  // parameter formats
        append_u16(out, 0);  // parameters
        append_u16(out, 1);  // result formats:
        append_u16(out, 0);  // text, as libpq asks
    }
    append_message(out, 'D', std::string_view("P\0", 2));
    append_message(out, 'E', std::string_view("\0\0\0\0\0", 5));
    append_message(out, 'S');
    return script;
}

class Session {
  public:
    enum class State : uint8_t { Connecting, LoggingIn, Preparing, Ready, Running, Failed };

    explicit Session(const Script& script) : script_(&script) {}

    State state() const { return state_; }
    // True once after each transition to Ready.
    bool take_became_ready() { return std::exchange(became_ready_, false); }
    bool had_error() const { return had_error_; }
    const std::string& error() const { return error_; }

    // These answer what to send now.
    std::string_view on_connected() {
        state_ = State::LoggingIn;
        return script_->startup;
    }
    std::string_view start_transaction() {
        state_ = State::Running;
        had_error_ = false;
        return script_->transaction;
    }
    std::string_view on_bytes(std::string_view bytes) {
        std::string_view answer;
        while (!bytes.empty() && state_ != State::Failed) {
            if (header_bytes_ < header_.size()) {
                const size_t take = std::min(header_.size() - header_bytes_, bytes.size());
                bytes.copy(&header_[header_bytes_], take);
                header_bytes_ = static_cast<uint8_t>(header_bytes_ + take);
                bytes.remove_prefix(take);
                if (header_bytes_ < header_.size()) break;
                const uint32_t length = load_u32(&header_[1]);
                if (length < 4) fail("bad message length");
                body_left_ = length - 4;
            }
            const size_t take = std::min<size_t>(body_left_, bytes.size());
            if (is_interesting(header_[0])) body_.append(bytes.substr(0, take));
            bytes.remove_prefix(take);
            body_left_ -= static_cast<uint32_t>(take);
            if (body_left_ > 0) break;
            header_bytes_ = 0;
            if (!is_interesting(header_[0])) continue;
            const std::string_view reply = on_message(header_[0]);
            if (!reply.empty()) answer = reply;  // The protocol never owes two at once.
            body_.clear();
        }
        return answer;
    }

    void fail(std::string_view why) {
        if (error_.empty()) error_ = why;
        had_error_ = true;
        state_ = State::Failed;
    }

  private:
    static bool is_interesting(char tag) { return tag == 'Z' || tag == 'E' || tag == 'R'; }

    std::string_view on_message(char tag) {
        if (tag == 'R') return on_authentication();
        if (tag == 'E') {
            on_error();
            return {};
        }
        if (state_ == State::LoggingIn && !script_->prepare.empty()) {
            state_ = State::Preparing;
            return script_->prepare;
        }
        state_ = State::Ready;
        became_ready_ = true;
        return {};
    }

    std::string_view on_authentication() {
        const uint32_t method = body_.size() < 4 ? 0xffffffff : load_u32(body_.data());
        if (method == 0) return {};
        if (method != 3) {
            fail("the server wants an authentication method other than trust and password");
            return {};
        }
        std::string password;
        append_cstring(password, script_->password);
        reply_.clear();
        append_message(reply_, 'p', password);
        return reply_;
    }

    void on_error() {
        std::string_view fields = body_;
        while (!fields.empty() && fields.front() != '\0') {
            const char field = fields.front();
            fields.remove_prefix(1);
            const std::string_view value = take_cstring(fields);
            if (field == 'M' && error_.empty()) error_ = value;
        }
        had_error_ = true;
        if (state_ != State::Running) fail("error before the first transaction");
    }

    const Script* script_;
    std::string body_;   // of a message that is_interesting
    std::string reply_;  // a password message
    std::string error_;  // the first one
    uint32_t body_left_ = 0;
    std::array<char, 5> header_{};
    uint8_t header_bytes_ = 0;
    State state_ = State::Connecting;
    bool became_ready_ = false;
    bool had_error_ = false;
};

}  // namespace weir::bench
