// Goal: the bytes of the protocol, and what is made of them, stay as they are.
// Method: two kinds of golden files in tests/golden/protocol/.
//
// NAME.transcript is a conversation with a server. Each line is one message, or what is known then:
//   F> Query "select 1"      the client sends; items are appended to the body:
//   P> Query "reset"         the proxy slips in         "text" = text and NUL, 'text' = bytes only,
//   X> Parse                 faked: not on the wire      0x00ff = these bytes, 7/2 = 7 in two bytes
//   B< ReadyForQuery 'I'     the server answers: for the client
//   B- CommandComplete "SET" ... for the proxy: swallowed
//   B! DataRow 0/2           ... it does not fit: doubt
//   X< Parse                 a faked answer is due
//   = owed 1 busy            owed N, pending N, free, busy, copy in|out|both|none, skipping,
//   unsynced
// The lines of one direction are one stream; it is fed whole, byte by byte and cut in two at every
// byte. What is parsed from it must always be the messages of the lines, in the same order.
//
// writers.txt has a line `name hex...` for a call of each writer, in the order of this file.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "protocol/message/frame.h"
#include "protocol/message/startup.h"
#include "protocol/message/tracker.h"
#include "protocol/message/writer.h"

namespace weir {
namespace {

using std::string_literals::operator""s;
using Verdict = ProtocolTracker::Verdict;
namespace fs = std::filesystem;

const fs::path kFolder = WEIR_SOURCE_DIR "/tests/golden/protocol";

// ---- the readable form ----

struct Line {
    std::string mark;  // F> P> X> B< B- B! X< =
    std::string name;  // of the message; the whole text for =
    std::string bytes;
    int number = 0;
};

struct Named {
    const char* name;
    char tag;
};
constexpr Named kClient[] = {
    {"Bind", 'B'},     {"Close", 'C'},    {"CopyData", 'd'},     {"CopyDone", 'c'},
    {"CopyFail", 'f'}, {"Describe", 'D'}, {"Execute", 'E'},      {"Flush", 'H'},
    {"Parse", 'P'},    {"Query", 'Q'},    {"FunctionCall", 'F'}, {"Sync", 'S'},
};
constexpr Named kServer[] = {
    {"BindComplete", '2'},
    {"CloseComplete", '3'},
    {"CommandComplete", 'C'},
    {"CopyBothResponse", 'W'},
    {"CopyData", 'd'},
    {"CopyDone", 'c'},
    {"CopyInResponse", 'G'},
    {"CopyOutResponse", 'H'},
    {"DataRow", 'D'},
    {"EmptyQueryResponse", 'I'},
    {"ErrorResponse", 'E'},
    {"FunctionCallResponse", 'V'},
    {"NoData", 'n'},
    {"NoticeResponse", 'N'},
    {"NotificationResponse", 'A'},
    {"ParameterDescription", 't'},
    {"ParameterStatus", 'S'},
    {"ParseComplete", '1'},
    {"PortalSuspended", 's'},
    {"ReadyForQuery", 'Z'},
    {"RowDescription", 'T'},
};

template <size_t n>
char tag_of(const Named (&table)[n], const std::string& name) {
    for (const Named& entry : table) {
        if (name == entry.name) return entry.tag;
    }
    FAIL("no such message: " << name);
    return 0;
}

std::string from_hex(std::string_view digits) {
    REQUIRE(digits.size() % 2 == 0);
    std::string out;
    for (size_t i = 0; i < digits.size(); i += 2)
        out += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
    return out;
}

std::string to_hex(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) {
        char two[3];
        std::snprintf(two, sizeof two, "%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
        out += two;
    }
    return out;
}

// One item at the beginning of `text`, which it is cut from.
std::string read_item(std::string& text) {
    if (text[0] == '"' || text[0] == '\'') {
        const size_t end = text.find(text[0], 1);
        REQUIRE_MESSAGE(end != std::string::npos, text);
        std::string out = text.substr(1, end - 1);
        if (text[0] == '"') out += '\0';
        text.erase(0, end + 1);
        return out;
    }
    const size_t end = std::min(text.find(' '), text.size());
    const std::string word = text.substr(0, end);
    text.erase(0, end);
    if (word.starts_with("0x")) return from_hex(word.substr(2));
    const size_t slash = word.find('/');
    REQUIRE_MESSAGE(slash != std::string::npos, word);
    const auto value = static_cast<uint64_t>(std::stoll(word));
    std::string out;
    for (int left = std::stoi(word.substr(slash + 1)); left-- > 0;)
        out += static_cast<char>(value >> (8 * left) & 0xff);
    return out;
}

std::vector<Line> read_transcript(const fs::path& path) {
    std::ifstream in(path);
    REQUIRE(in.good());
    std::vector<Line> lines;
    std::string text;
    for (int number = 1; std::getline(in, text); ++number) {
        if (text.empty() || text[0] == '#') continue;
        Line line;
        line.number = number;
        const size_t space = text.find(' ');
        line.mark = text.substr(0, space);
        text.erase(0, space + 1);
        if (line.mark == "=") {
            line.name = text;
            lines.push_back(line);
            continue;
        }
        const size_t end = std::min(text.find(' '), text.size());
        line.name = text.substr(0, end);
        text.erase(0, end);
        std::string body;
        while (text.find_first_not_of(' ') != std::string::npos) {
            text.erase(0, text.find_first_not_of(' '));
            body += read_item(text);
        }
        if (line.mark[0] != 'X') {
            const bool is_server = line.mark[0] == 'B';
            line.bytes = is_server ? tag_of(kServer, line.name) : tag_of(kClient, line.name);
            std::string length(4, '\0');
            store_be32(reinterpret_cast<uint8_t*>(length.data()),
                       static_cast<uint32_t>(body.size() + 4));
            line.bytes += length + body;
        }
        lines.push_back(line);
    }
    return lines;
}

// ---- the conversation ----

class NoDropped final : public DroppedRequests {
  public:
    void on_dropped(const PendingReply&) override {}
};

// The request that a message is; false for one that is answered by nothing.
bool request_of(uint8_t tag, ByteView body, Request& out) {
    switch (tag) {
        case 'P': out = Request::Parse; return true;
        case 'B': out = Request::Bind; return true;
        case 'D':
            out = body[0] == 'S' ? Request::DescribeStatement : Request::DescribePortal;
            return true;
        case 'E': out = Request::Execute; return true;
        case 'C': out = Request::Close; return true;
        case 'S': out = Request::Sync; return true;
        case 'Q': out = Request::Query; return true;
        case 'F': out = Request::FunctionCall; return true;
        case 'c':
        case 'f': out = Request::CopyEnd; return true;
        default: return false;
    }
}

std::string state_of(const ProtocolTracker& t, const std::string& wanted) {
    static constexpr const char* kCopy[] = {"none", "in", "out", "both"};
    std::istringstream in(wanted);
    std::string word, out;
    while (in >> word) {
        if (!out.empty()) out += ' ';
        out += word;
        std::string value;
        if (word == "owed" || word == "pending" || word == "copy") in >> value;
        if (word == "owed") out += " " + std::to_string(t.ready_owed());
        if (word == "pending") out += " " + std::to_string(t.pending());
        if (word == "copy") out += " "s + kCopy[static_cast<size_t>(t.copy_state())];
        if (word == "free" && !t.is_releasable()) out += "(no)";
        if (word == "busy" && t.is_releasable()) out += "(no)";
        if (word == "skipping" && !t.is_skipping_to_sync()) out += "(no)";
        if (word == "unsynced" && !t.is_unsynced()) out += "(no)";
    }
    return out;
}

// Cuts `stream` with a FrameParser that gets it in the chunks that end at `ends`.
std::vector<std::string> cut(Direction direction, const std::string& stream,
                             const std::vector<size_t>& ends) {
    FrameParser parser(direction);
    std::vector<std::string> out;
    size_t used = 0;
    for (const size_t end : ends) {
        while (true) {
            const Piece piece = parser.peek(as_bytes(stream).first(end).subspan(used));
            if (piece.kind == Piece::Kind::NeedMore) break;
            REQUIRE(piece.kind != Piece::Kind::Malformed);
            if (piece.kind == Piece::Kind::Start) out.emplace_back();
            out.back() += as_text(piece.bytes);
            parser.consume(piece);
            used += piece.bytes.size();
        }
    }
    REQUIRE(used == stream.size());
    return out;
}

// The messages of the stream, after making sure that every chunking gives the same ones.
std::vector<std::string> cut_every_way(Direction direction, const std::string& stream) {
    const std::vector<std::string> whole = cut(direction, stream, {stream.size()});
    std::vector<size_t> ends;
    for (size_t end = 1; end <= stream.size(); ++end) {
        ends.push_back(end);
        if (cut(direction, stream, {end, stream.size()}) != whole) FAIL("cut at " << end);
    }
    CHECK(cut(direction, stream, ends) == whole);
    return whole;
}

void take_line(ProtocolTracker& tracker, const Line& line, const std::string& message) {
    NoDropped dropped;
    if (line.mark == "=") {
        CHECK(state_of(tracker, line.name) == line.name);
        return;
    }
    if (line.mark == "X<") {
        PendingReply due;
        REQUIRE(tracker.take_faked(due));
        CHECK((due.request == Request::Parse ? "Parse" : "Close") == line.name);
        return;
    }
    if (line.mark == "X>") {
        tracker.sent(line.name == "Parse" ? Request::Parse : Request::Close, Origin::Faked);
        return;
    }
    const uint8_t tag = as_bytes(message)[0];
    const ByteView body = as_bytes(message).subspan(kFrameHeaderBytes);
    if (line.mark[0] != 'B') {
        Request request;
        if (request_of(tag, body, request))
            tracker.sent(request, line.mark == "F>" ? Origin::Client : Origin::Proxy);
        return;
    }
    const uint8_t status = body.empty() ? uint8_t{0} : body[0];
    const Verdict verdict = tracker.on_backend(static_cast<BackendTag>(tag), status, dropped);
    const char* mark = verdict == Verdict::Forward   ? "B<"
                       : verdict == Verdict::Swallow ? "B-"
                                                     : "B!";
    CHECK(mark == line.mark);
}

TEST_CASE("every transcript is framed and judged as written, however it is cut") {
    size_t files = 0;
    for (const fs::directory_entry& file : fs::directory_iterator(kFolder)) {
        if (file.path().extension() != ".transcript") continue;
        ++files;
        const std::string name = file.path().filename().string();
        CAPTURE(name);
        const std::vector<Line> lines = read_transcript(file.path());
        std::string to_server, to_client;
        for (const Line& line : lines)
            (line.mark[0] == 'B' ? to_client : to_server) += line.bytes;
        const auto requests = cut_every_way(Direction::FromClient, to_server);
        const auto answers = cut_every_way(Direction::FromServer, to_client);
        ProtocolTracker tracker;
        size_t next_request = 0, next_answer = 0;
        for (const Line& line : lines) {
            const int at = line.number;
            CAPTURE(at);
            std::string message;
            if (!line.bytes.empty()) {
                const bool is_answer = line.mark[0] == 'B';
                message = is_answer ? answers.at(next_answer++) : requests.at(next_request++);
                CHECK(message == line.bytes);
            }
            take_line(tracker, line, message);
        }
        CHECK(next_request == requests.size());
        CHECK(next_answer == answers.size());
    }
    CHECK(files >= 10);
}

TEST_CASE("the readable form gives the bytes that it says") {
    std::string text = R"("ab" 'c' 0x00ff 258/2 -1/4)";
    std::string out;
    while (!text.empty()) {
        out += read_item(text);
        text.erase(0, text.find_first_not_of(' ') == std::string::npos ? 0 : 1);
    }
    CHECK(to_hex(out) == "6162006300ff0102ffffffff");
}

// ---- the writers ----

struct Written {
    const char* name;
    std::string bytes;
};

template <typename Write>
std::string written(Write&& write) {
    std::string out;
    write(out);
    return out;
}

std::vector<Written> write_backend_messages() {
    using S = std::string&;
    const std::string one = "1", empty;
    return {
        {"error", written([](S o) { write_error(o, {.sqlstate = "42601", .message = "oops"}); })},
        {"error_full", written([](S o) {
             write_error(o, {.severity = "FATAL",
                             .sqlstate = "57P01",
                             .message = "bye",
                             .detail = "why",
                             .hint = "wait"});
         })},
        {"notice", written([](S o) { write_notice(o, {.severity = "NOTICE", .message = "hm"}); })},
        {"auth_ok", written([](S o) { write_auth_request(o, AuthRequest::Ok); })},
        {"auth_plain", written([](S o) { write_auth_request(o, AuthRequest::CleartextPassword); })},
        {"auth_md5",
         written([](S o) { write_auth_request(o, AuthRequest::Md5Password, as_bytes("salt")); })},
        {"auth_sasl", written([](S o) {
             write_auth_request(o, AuthRequest::Sasl, as_bytes("SCRAM-SHA-256\0\0"s));
         })},
        {"parameter_status", written([](S o) { write_parameter_status(o, "TimeZone", "UTC"); })},
        {"backend_key_data",
         written([](S o) { write_backend_key_data(o, CancelKey::of_word(0x0102030405060708)); })},
        {"ready_idle", written([](S o) { write_ready_for_query(o, TransactionStatus::Idle); })},
        {"ready_open",
         written([](S o) { write_ready_for_query(o, TransactionStatus::InTransaction); })},
        {"ready_failed", written([](S o) { write_ready_for_query(o, TransactionStatus::Failed); })},
        {"command_complete", written([](S o) { write_command_complete(o, "SHOW"); })},
        {"negotiate", written([](S o) {
             write_negotiate_protocol_version(o, kProtocol30,
                                              std::vector<std::string_view>{"_pq_.x"});
         })},
        {"parse_complete", written([](S o) { write_empty(o, BackendTag::ParseComplete); })},
        {"bind_complete", written([](S o) { write_empty(o, BackendTag::BindComplete); })},
        {"close_complete", written([](S o) { write_empty(o, BackendTag::CloseComplete); })},
        {"no_data", written([](S o) { write_empty(o, BackendTag::NoData); })},
        {"empty_query", written([](S o) { write_empty(o, BackendTag::EmptyQueryResponse); })},
        {"row_description", written([](S o) {
             write_row_description(o, std::vector<Column>{{"id", 23, 4}, {"name"}});
         })},
        {"data_row", written([&](S o) {
             write_data_row(o, std::vector<const std::string*>{&one, nullptr, &empty});
         })},
        {"parameter_description", written([](S o) {
             write_parameter_description(o, std::vector<uint32_t>{23, 25});
         })},
    };
}

std::vector<Written> write_frontend_messages() {
    using S = std::string&;
    return {
        {"startup", make_startup_message({{"user", "bob"}, {"database", "shop"}})},
        {"cancel", make_cancel_request(CancelKey::of_word(0x0102030405060708))},
        {"query", written([](S o) { write_query(o, "select 1"); })},
        {"password", written([](S o) { write_password(o, "secret"); })},
        {"sasl_initial", written([](S o) { write_sasl_initial(o, "SCRAM-SHA-256", "n,,n=,r=x"); })},
        {"sasl_response", written([](S o) { write_sasl_response(o, "c=biws"); })},
        {"parse",
         written([](S o) { write_parse(o, "s1", as_bytes("select $1\0\0\1\0\0\0\27"s)); })},
        {"untyped_parse", written([](S o) { write_untyped_parse(o, "s1", "select $1"); })},
        {"bind", written([](S o) { write_bind(o, "s1", "42"); })},
        {"describe", written([](S o) { write_describe(o, 'P', ""); })},
        {"execute", written([](S o) { write_execute(o); })},
        {"close_statement", written([](S o) { write_close_statement(o, "s1"); })},
        {"copy_fail", written([](S o) { write_copy_fail(o, "gone"); })},
        {"sync", written([](S o) { write_empty(o, FrontendTag::Sync); })},
        {"flush", written([](S o) { write_empty(o, FrontendTag::Flush); })},
        {"terminate", written([](S o) { write_empty(o, FrontendTag::Terminate); })},
        {"copy_done", written([](S o) { write_empty(o, FrontendTag::CopyDone); })},
    };
}

TEST_CASE("every writer gives exactly the bytes that it always gave") {
    std::string now;
    for (const auto& messages : {write_backend_messages(), write_frontend_messages()}) {
        for (const Written& message : messages)
            now += message.name + " "s + to_hex(message.bytes) + "\n";
    }
    std::ifstream in(kFolder / "writers.txt");
    std::ostringstream golden;
    golden << in.rdbuf();
    CHECK(golden.str() == now);
}

}  // namespace
}  // namespace weir
