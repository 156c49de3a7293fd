// ConsoleSession: the protocol of one client of the console, simple and extended, without any I/O.
//
// Input is worked off strictly in order. When a command is to be run, advance() gives it and the
// session waits until complete() brings its outcome; messages behind it stay in the queue.
//
//        advance() finds a command            complete()
//   Idle --------------------------> Running ------------> Idle
//     \                                 \---outcome Ending, too much input---> Closed
//      \---Terminate, a FATAL error---> Closed
//
// Each command is a transaction of its own: ReadyForQuery always says idle. Portals live until Sync
// or Query, but after BEGIN until its end, so that drivers can fetch in parts.
//
// Owner: Console. Thread: control.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "admin/console/commands.h"
#include "admin/console/outcome.h"
#include "protocol/message/frame.h"

namespace weir {

class ConsoleSession {
  public:
    // Waiting input, statements, and portals beyond these end in an error.
    static constexpr size_t kInputBytesMax = 8 * 1024 * 1024;
    static constexpr size_t kStatementsMax = 1000;

    explicit ConsoleSession(bool is_admin) : is_admin_(is_admin) {}

    // Whole messages, as many as there are.
    void feed(std::string_view messages);
    // Works off input up to the next command to be run; null = there is none. Not while one runs.
    const ConsoleStatement* advance();
    // What the command that advance() gave has come to (not Pending).
    void complete(CommandOutcome outcome);
    // Something to be told while that command runs.
    void notify(const ConsoleNotice& notice);

    // What is to be sent; empties it.
    std::string take_output();
    // What goes along with that output; to be taken first.
    std::vector<AttachedDescriptor> take_descriptors();
    [[nodiscard]] bool is_closed() const { return state_ == State::Closed; }

  private:
    enum class State : uint8_t { Idle, Running, Closed };

    struct Prepared {
        std::shared_ptr<const ConsoleStatement> statement;
        std::vector<uint32_t> parameter_types;
    };
    struct Portal {
        std::shared_ptr<const ConsoleStatement> statement;
        ResultFormats formats;
        bool is_run = false;
        std::vector<Cells> rows;
        size_t next_row = 0;
        std::string tag;
    };

    void on_message(FrontendTag tag, ByteView body);
    void on_query(ByteView body);
    void next_of_script();
    void on_parse(ByteView body);
    void on_bind(ByteView body);
    void on_describe(ByteView body);
    void on_execute(ByteView body);
    void on_close(ByteView body);
    void on_sync();
    void drop_portals();

    Status bind(ByteView body);
    [[nodiscard]] Result<ConsoleStatement> resolve_only(std::string_view query) const;
    void complete_simple(const CommandOutcome& outcome);
    void complete_portal(CommandOutcome outcome);
    void write_notices(const CommandOutcome& outcome);
    void send_rows(Portal& portal, int32_t rows_max);
    // An error of the simple protocol ends its query; after one of the extended protocol all is
    // skipped up to Sync.
    void fail_query(const Error& error, std::string_view detail = {});
    void fail_batch(const Error& error, std::string_view detail = {});
    void fail_for_good(std::string_view message);
    void ready();

    const bool is_admin_;
    State state_ = State::Idle;
    std::string input_;
    size_t input_at_ = 0;
    std::string output_;
    std::vector<AttachedDescriptor> descriptors_;  // places in output_

    std::vector<Command> script_;  // of the Query being worked off
    size_t script_next_ = 0;
    bool is_in_query_ = false;
    ConsoleStatement simple_;  // runs, if is_in_query_
    std::string portal_name_;  // runs, if not
    int32_t portal_rows_max_ = 0;

    bool is_skipping_to_sync_ = false;
    bool is_in_transaction_ = false;
    std::map<std::string, Prepared, std::less<>> prepared_;
    std::map<std::string, Portal, std::less<>> portals_;
};

}  // namespace weir
