// MessageWriter appends wire messages to a std::string; below it, one function per message that we
// write. Not for the relay path, which forwards bytes as they came. Thread: that of the owner.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/message/cancel_key.h"
#include "protocol/message/types.h"

namespace weir {

class MessageWriter {
  public:
    // Appends to `out`, which must outlive the writer.
    explicit MessageWriter(std::string& out) : out_(out) {}

    void begin(uint8_t tag) {
        out_.push_back(static_cast<char>(tag));
        begin_untagged();
    }
    void begin(BackendTag tag) { begin(static_cast<uint8_t>(tag)); }
    void begin(FrontendTag tag) { begin(static_cast<uint8_t>(tag)); }
    void begin_untagged() {
        length_at_ = out_.size();
        out_.append(4, '\0');
    }
    void end() {
        store_be32(reinterpret_cast<uint8_t*>(out_.data()) + length_at_,
                   static_cast<uint32_t>(out_.size() - length_at_));
    }

    void u8(uint8_t v) { out_.push_back(static_cast<char>(v)); }
    void u16(uint16_t v) {
        uint8_t b[2];
        store_be16(b, v);
        bytes(b);
    }
    void u32(uint32_t v) {
        uint8_t b[4];
        store_be32(b, v);
        bytes(b);
    }
    void i32(int32_t v) { u32(static_cast<uint32_t>(v)); }
    void bytes(ByteView v) { out_.append(reinterpret_cast<const char*>(v.data()), v.size()); }
    void text(std::string_view v) { out_.append(v); }
    // The text up to its first NUL, and a NUL.
    void cstring(std::string_view v) {
        out_.append(v.substr(0, v.find('\0')));
        out_.push_back('\0');
    }

  private:
    std::string& out_;
    size_t length_at_ = 0;
};

// ---- backend messages (to a client) ----

// ErrorResponse or NoticeResponse with severity (also non-localised), SQLSTATE, message; detail and
// hint are left out when empty.
struct ErrorFields {
    std::string_view severity = "ERROR";
    std::string_view sqlstate = "XX000";
    std::string_view message = {};
    std::string_view detail = {};
    std::string_view hint = {};
};
void write_error(std::string& out, const ErrorFields& fields);
void write_notice(std::string& out, const ErrorFields& fields);

void write_auth_request(std::string& out, AuthRequest request, ByteView data = {});
void write_parameter_status(std::string& out, std::string_view name, std::string_view value);
void write_backend_key_data(std::string& out, const CancelKey& key);
void write_ready_for_query(std::string& out, TransactionStatus status);
void write_command_complete(std::string& out, std::string_view tag);
// `version`: the newest that we speak; `options`: those asked for that we do not know.
void write_negotiate_protocol_version(std::string& out, uint32_t version,
                                      std::span<const std::string_view> options);
// A message with no body: ParseComplete, BindComplete, CloseComplete, NoData, EmptyQueryResponse
// ...
void write_empty(std::string& out, BackendTag tag);

struct Column {
    std::string_view name;
    uint32_t type_oid = 25;  // text
    int16_t type_bytes = -1;
};
void write_row_description(std::string& out, std::span<const Column> columns);
// One text-format row; a null pointer in `values` is SQL NULL.
void write_data_row(std::string& out, std::span<const std::string* const> values);
void write_parameter_description(std::string& out, std::span<const uint32_t> type_oids);

// ---- frontend messages (to a server) ----

void write_query(std::string& out, std::string_view sql);
void write_password(std::string& out, std::string_view password);
void write_sasl_initial(std::string& out, std::string_view mechanism, std::string_view data);
void write_sasl_response(std::string& out, std::string_view data);
void write_parse(std::string& out, std::string_view name, ByteView text_and_types);
// The types of the parameters are left to the server.
void write_untyped_parse(std::string& out, std::string_view name, std::string_view sql);
// To the unnamed portal; the statement has one parameter, and `value` is its text.
void write_bind(std::string& out, std::string_view statement, std::string_view value);
// `kind`: 'S' for a statement, 'P' for a portal.
void write_describe(std::string& out, char kind, std::string_view name);
void write_execute(std::string& out);  // all rows of the unnamed portal
void write_close_statement(std::string& out, std::string_view name);
void write_copy_fail(std::string& out, std::string_view reason);
void write_empty(std::string& out, FrontendTag tag);  // Sync, Flush, Terminate, CopyDone

}  // namespace weir
