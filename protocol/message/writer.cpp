#include "protocol/message/writer.h"

namespace weir {

namespace {

void write_fields(std::string& out, BackendTag tag, const ErrorFields& fields) {
    MessageWriter w(out);
    w.begin(tag);
    const auto field = [&w](char code, std::string_view value) {
        w.u8(static_cast<uint8_t>(code));
        w.cstring(value);
    };
    field('S', fields.severity);
    field('V', fields.severity);
    field('C', fields.sqlstate);
    field('M', fields.message);
    if (!fields.detail.empty()) field('D', fields.detail);
    if (!fields.hint.empty()) field('H', fields.hint);
    w.u8(0);
    w.end();
}

}  // namespace

void write_error(std::string& out, const ErrorFields& fields) {
    write_fields(out, BackendTag::ErrorResponse, fields);
}

void write_notice(std::string& out, const ErrorFields& fields) {
    write_fields(out, BackendTag::NoticeResponse, fields);
}

void write_auth_request(std::string& out, AuthRequest request, ByteView data) {
    MessageWriter w(out);
    w.begin(BackendTag::Authentication);
    w.i32(static_cast<int32_t>(request));
    w.bytes(data);
    w.end();
}

void write_parameter_status(std::string& out, std::string_view name, std::string_view value) {
    MessageWriter w(out);
    w.begin(BackendTag::ParameterStatus);
    w.cstring(name);
    w.cstring(value);
    w.end();
}

void write_backend_key_data(std::string& out, const CancelKey& key) {
    MessageWriter w(out);
    w.begin(BackendTag::BackendKeyData);
    w.u32(key.process_id);
    w.text(key.secret);
    w.end();
}

void write_ready_for_query(std::string& out, TransactionStatus status) {
    MessageWriter w(out);
    w.begin(BackendTag::ReadyForQuery);
    w.u8(static_cast<uint8_t>(status));
    w.end();
}

void write_command_complete(std::string& out, std::string_view tag) {
    MessageWriter w(out);
    w.begin(BackendTag::CommandComplete);
    w.cstring(tag);
    w.end();
}

void write_negotiate_protocol_version(std::string& out, uint32_t version,
                                      std::span<const std::string_view> options) {
    MessageWriter w(out);
    w.begin(BackendTag::NegotiateProtocolVersion);
    w.u32(version);
    w.u32(static_cast<uint32_t>(options.size()));
    for (const std::string_view option : options)
        w.cstring(option);
    w.end();
}

void write_empty(std::string& out, BackendTag tag) {
    MessageWriter w(out);
    w.begin(tag);
    w.end();
}

void write_row_description(std::string& out, std::span<const Column> columns) {
    MessageWriter w(out);
    w.begin(BackendTag::RowDescription);
    w.u16(static_cast<uint16_t>(columns.size()));
    for (const Column& column : columns) {
        w.cstring(column.name);
        w.u32(0);  // no table
        w.u16(0);
        w.u32(column.type_oid);
        w.u16(static_cast<uint16_t>(column.type_bytes));
        w.u32(0xffffffff);  // type modifier -1
        w.u16(0);           // text format
    }
    w.end();
}

void write_data_row(std::string& out, std::span<const std::string* const> values) {
    MessageWriter w(out);
    w.begin(BackendTag::DataRow);
    w.u16(static_cast<uint16_t>(values.size()));
    for (const std::string* value : values) {
        if (value == nullptr) {
            w.i32(-1);
            continue;
        }
        w.u32(static_cast<uint32_t>(value->size()));
        w.text(*value);
    }
    w.end();
}

void write_parameter_description(std::string& out, std::span<const uint32_t> type_oids) {
    MessageWriter w(out);
    w.begin(BackendTag::ParameterDescription);
    w.u16(static_cast<uint16_t>(type_oids.size()));
    for (const uint32_t oid : type_oids)
        w.u32(oid);
    w.end();
}

void write_query(std::string& out, std::string_view sql) {
    MessageWriter w(out);
    w.begin(FrontendTag::Query);
    w.cstring(sql);
    w.end();
}

void write_password(std::string& out, std::string_view password) {
    MessageWriter w(out);
    w.begin(FrontendTag::Password);
    w.cstring(password);
    w.end();
}

void write_sasl_initial(std::string& out, std::string_view mechanism, std::string_view data) {
    MessageWriter w(out);
    w.begin(FrontendTag::Password);
    w.cstring(mechanism);
    w.u32(static_cast<uint32_t>(data.size()));
    w.text(data);
    w.end();
}

void write_sasl_response(std::string& out, std::string_view data) {
    MessageWriter w(out);
    w.begin(FrontendTag::Password);
    w.text(data);
    w.end();
}

void write_parse(std::string& out, std::string_view name, ByteView text_and_types) {
    MessageWriter w(out);
    w.begin(FrontendTag::Parse);
    w.cstring(name);
    w.bytes(text_and_types);
    w.end();
}

void write_untyped_parse(std::string& out, std::string_view name, std::string_view sql) {
    MessageWriter w(out);
    w.begin(FrontendTag::Parse);
    w.cstring(name);
    w.cstring(sql);
    w.u16(0);
    w.end();
}

void write_bind(std::string& out, std::string_view statement, std::string_view value) {
    MessageWriter w(out);
    w.begin(FrontendTag::Bind);
    w.cstring("");
    w.cstring(statement);
    w.u16(0);  // every parameter as text
    w.u16(1);
    w.u32(static_cast<uint32_t>(value.size()));
    w.text(value);
    w.u16(0);  // every column as text
    w.end();
}

void write_describe(std::string& out, char kind, std::string_view name) {
    MessageWriter w(out);
    w.begin(FrontendTag::Describe);
    w.u8(static_cast<uint8_t>(kind));
    w.cstring(name);
    w.end();
}

void write_execute(std::string& out) {
    MessageWriter w(out);
    w.begin(FrontendTag::Execute);
    w.cstring("");
    w.u32(0);
    w.end();
}

void write_close_statement(std::string& out, std::string_view name) {
    MessageWriter w(out);
    w.begin(FrontendTag::Close);
    w.u8('S');
    w.cstring(name);
    w.end();
}

void write_copy_fail(std::string& out, std::string_view reason) {
    MessageWriter w(out);
    w.begin(FrontendTag::CopyFail);
    w.cstring(reason);
    w.end();
}

void write_empty(std::string& out, FrontendTag tag) {
    MessageWriter w(out);
    w.begin(tag);
    w.end();
}

}  // namespace weir
