// Goal: what the writers make is framed rightly and says what it was asked to say.
// Method: round trips through FrameParser and the views; bytes by hand where there is no view.
// (Every writer's exact bytes are also pinned by tests/golden/protocol/writers.txt.)
#include "protocol/message/writer.h"

#include <doctest/doctest.h>

#include "protocol/message/backend.h"
#include "protocol/message/frame.h"
#include "protocol/message/frontend.h"

namespace weir::writer_test {
namespace {

using std::string_literals::operator""s;

// The body of the one message that `bytes` is; empty (and a failed check) when it is not one.
ByteView body_of(const std::string& bytes, Direction direction, uint8_t tag) {
    const FrameParser parser(direction);
    const Piece piece = parser.peek(as_bytes(bytes));
    REQUIRE(piece.kind == Piece::Kind::Start);
    CHECK(piece.tag == tag);
    CHECK(piece.is_complete());
    CHECK(piece.bytes.size() == bytes.size());
    return piece.body();
}

ByteView body_of(const std::string& bytes, BackendTag tag) {
    return body_of(bytes, Direction::FromServer, static_cast<uint8_t>(tag));
}

ByteView body_of(const std::string& bytes, FrontendTag tag) {
    return body_of(bytes, Direction::FromClient, static_cast<uint8_t>(tag));
}

TEST_CASE("messages are appended one behind the other with their own lengths") {
    std::string out = "before";
    write_query(out, "a");
    write_empty(out, FrontendTag::Sync);
    CHECK(out == "beforeQ\0\0\0\6a\0S\0\0\0\4"s);
}

TEST_CASE("integers are big-endian and texts end at their first NUL") {
    std::string out;
    MessageWriter w(out);
    w.begin_untagged();
    w.u8(1);
    w.u16(0x0203);
    w.u32(0x04050607);
    w.i32(-2);
    w.text("a\0b"s);
    w.cstring("c\0d"s);
    w.end();
    CHECK(out ==
          "\0\0\0\24\1\2\3\4\5\6\7\xff\xff\xff\xfe"
          "a\0bc\0"s);
}

TEST_CASE("an error is read back with all its fields") {
    std::string out;
    write_error(out, {.severity = "FATAL",
                      .sqlstate = "57P01",
                      .message = "bye",
                      .detail = "why",
                      .hint = "wait"});
    const ErrorView view = view_error(body_of(out, BackendTag::ErrorResponse));
    CHECK(view.severity == "FATAL");
    CHECK(view.sqlstate == "57P01");
    CHECK(view.message == "bye");
    CHECK(view.detail == "why");
    CHECK(view.hint == "wait");
    std::string notice;
    write_notice(notice, {.severity = "NOTICE", .message = "a\0b"s});
    const ByteView body = body_of(notice, BackendTag::NoticeResponse);
    CHECK(view_error(body).message == "a");
    CHECK(view_error(body).sqlstate == "XX000");
    CHECK(as_text(body).find("D") == std::string_view::npos);
}

TEST_CASE("login messages are read back") {
    std::string auth, status, key, ready;
    write_auth_request(auth, AuthRequest::Md5Password, as_bytes("salt"));
    const auto auth_view = view_auth(body_of(auth, BackendTag::Authentication));
    CHECK(auth_view->request == 5);
    CHECK(as_text(auth_view->data) == "salt");
    write_parameter_status(status, "DateStyle", "ISO, MDY");
    const auto status_view = view_parameter_status(body_of(status, BackendTag::ParameterStatus));
    CHECK(status_view->name == "DateStyle");
    CHECK(status_view->value == "ISO, MDY");
    write_backend_key_data(key, CancelKey::of_word(0xfedcba9876543210));
    CHECK(view_backend_key_data(body_of(key, BackendTag::BackendKeyData))->word() ==
          0xfedcba9876543210);
    for (const auto state :
         {TransactionStatus::Idle, TransactionStatus::InTransaction, TransactionStatus::Failed}) {
        ready.clear();
        write_ready_for_query(ready, state);
        CHECK(*view_ready_for_query(body_of(ready, BackendTag::ReadyForQuery)) == state);
    }
}

TEST_CASE("results are laid out as documented") {
    std::string columns, row, types, done;
    write_row_description(columns, std::vector<Column>{{"id", 23, 4}, {"name"}});
    CHECK(as_text(body_of(columns, BackendTag::RowDescription)) ==
          "\0\2id\0\0\0\0\0\0\0\0\0\0\27\0\4\xff\xff\xff\xff\0\0"
          "name\0\0\0\0\0\0\0\0\0\0\31\xff\xff\xff\xff\xff\xff\0\0"s);
    const std::string text = "x", empty;
    write_data_row(row, std::vector<const std::string*>{&text, nullptr, &empty});
    CHECK(as_text(body_of(row, BackendTag::DataRow)) == "\0\3\0\0\0\1x\xff\xff\xff\xff\0\0\0\0"s);
    write_parameter_description(types, std::vector<uint32_t>{23, 25});
    CHECK(as_text(body_of(types, BackendTag::ParameterDescription)) == "\0\2\0\0\0\27\0\0\0\31"s);
    write_command_complete(done, "SHOW");
    CHECK(*view_command_complete(body_of(done, BackendTag::CommandComplete)) == "SHOW");
}

TEST_CASE("messages to a server are read back") {
    std::string out;
    write_query(out, "select 1");
    CHECK(view_query(body_of(out, FrontendTag::Query))->sql == "select 1");
    out.clear();
    write_password(out, "secret");
    CHECK(*view_password(body_of(out, FrontendTag::Password)) == "secret");
    out.clear();
    write_sasl_initial(out, "SCRAM-SHA-256", "n,,n=,r=x");
    const auto initial = view_sasl_initial(body_of(out, FrontendTag::Password));
    CHECK(initial->mechanism == "SCRAM-SHA-256");
    CHECK(initial->data == "n,,n=,r=x");
    out.clear();
    write_sasl_response(out, "c=biws");
    CHECK(as_text(body_of(out, FrontendTag::Password)) == "c=biws");
    out.clear();
    const std::string content = "select $1\0\0\1\0\0\0\27"s;
    write_parse(out, "s1", as_bytes(content));
    const auto parse = view_parse(body_of(out, FrontendTag::Parse));
    REQUIRE(parse);
    CHECK(parse->name == "s1");
    CHECK(parse->sql == "select $1");
    CHECK(as_text(parse->text_and_types) == content);
    out.clear();
    write_untyped_parse(out, "s1", "select $1");
    CHECK(as_text(view_parse(body_of(out, FrontendTag::Parse))->text_and_types) ==
          "select $1\0\0\0"s);
    out.clear();
    write_bind(out, "s1", "42");
    const auto bind = view_bind_prefix(body_of(out, FrontendTag::Bind));
    REQUIRE(bind);
    CHECK(bind->portal.empty());
    CHECK(bind->statement == "s1");
    out.clear();
    write_describe(out, 'P', "p1");
    CHECK(view_target(body_of(out, FrontendTag::Describe))->kind == 'P');
    CHECK(view_target(body_of(out, FrontendTag::Describe))->name == "p1");
    out.clear();
    write_execute(out);
    CHECK(as_text(body_of(out, FrontendTag::Execute)) == "\0\0\0\0\0"s);
    out.clear();
    write_close_statement(out, "s1");
    CHECK(view_target(body_of(out, FrontendTag::Close))->kind == 'S');
    CHECK(view_target(body_of(out, FrontendTag::Close))->name == "s1");
    out.clear();
    write_copy_fail(out, "client is gone");
    CHECK(*view_copy_fail(body_of(out, FrontendTag::CopyFail)) == "client is gone");
}

TEST_CASE("an empty message has a header only") {
    for (const auto tag : {BackendTag::ParseComplete, BackendTag::BindComplete,
                           BackendTag::CloseComplete, BackendTag::NoData}) {
        std::string out;
        write_empty(out, tag);
        CHECK(body_of(out, tag).empty());
    }
}

TEST_CASE("the answer to a newer protocol lists what is not spoken") {
    std::string out;
    write_negotiate_protocol_version(out, kProtocol32,
                                     std::vector<std::string_view>{"_pq_.a", "_pq_.b"});
    CHECK(as_text(body_of(out, BackendTag::NegotiateProtocolVersion)) ==
          "\0\3\0\2\0\0\0\2_pq_.a\0_pq_.b\0"s);
}

}  // namespace
}  // namespace weir::writer_test
