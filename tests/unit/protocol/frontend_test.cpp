// Goal: the views of client messages give every field of a well-formed body and nothing for any
// other; they never look outside of the body.
// Method: one good body of each kind, then each of its truncations and one byte too many, in
// buffers of exactly that size (AddressSanitizer sees a step too far); random bytes.
#include "protocol/message/frontend.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>

#include "protocol/base/random.h"

namespace weir::frontend_test {
namespace {

using std::string_literals::operator""s;

// A view over a heap block that has exactly the size of `text`.
class Exact {
  public:
    explicit Exact(std::string_view text)
        : size_(text.size()), block_(std::make_unique<uint8_t[]>(text.size())) {
        std::copy(text.begin(), text.end(), block_.get());
    }
    [[nodiscard]] ByteView view() const { return {block_.get(), size_}; }

  private:
    size_t size_;
    std::unique_ptr<uint8_t[]> block_;
};

// True when no proper prefix of `body`, and not `body` with a byte more, is accepted.
bool refuses_other_lengths(const std::string& body, const std::function<bool(ByteView)>& accepts) {
    for (size_t bytes = 0; bytes < body.size(); ++bytes) {
        if (accepts(Exact(body.substr(0, bytes)).view())) return false;
    }
    return accepts(Exact(body).view()) && !accepts(Exact(body + 'x').view());
}

TEST_CASE("a Query has its text up to the NUL at the end") {
    CHECK(view_query(as_bytes("select 1\0"s))->sql == "select 1");
    CHECK(view_query(as_bytes("\0"s))->sql.empty());
    CHECK_FALSE(view_query(as_bytes("a\0b\0"s)));
    CHECK(
        refuses_other_lengths("select 1\0"s, [](ByteView b) { return view_query(b).has_value(); }));
}

TEST_CASE("a Parse has name, text and parameter types") {
    const std::string body = "st\0select $1\0\0\2\0\0\0\27\0\0\0\31"s;
    const auto view = view_parse(as_bytes(body));
    REQUIRE(view);
    CHECK(view->name == "st");
    CHECK(view->sql == "select $1");
    CHECK(view->type_count == 2);
    CHECK(as_text(view->text_and_types) == body.substr(3));
    CHECK(refuses_other_lengths(body, [](ByteView b) { return view_parse(b).has_value(); }));
    CHECK_FALSE(view_parse(as_bytes("\0\0\xff\xff"s)));
    CHECK(view_parse(as_bytes("\0\0\0\0"s))->name.empty());
}

TEST_CASE("a Bind needs only its two names") {
    const std::string body = "po\0st\0\0\0\0\0\0\0"s;
    const auto view = view_bind_prefix(as_bytes(body));
    REQUIRE(view);
    CHECK(view->portal == "po");
    CHECK(view->statement == "st");
    CHECK(view->names_bytes == 6);
    for (size_t bytes = 0; bytes <= body.size(); ++bytes) {
        const Exact prefix(body.substr(0, bytes));
        CHECK(view_bind_prefix(prefix.view()).has_value() == (bytes >= 6));
    }
    CHECK(view_bind_prefix(as_bytes("\0\0"s))->names_bytes == 2);
}

TEST_CASE("Describe and Close name a statement or a portal") {
    CHECK(view_target(as_bytes("Sname\0"s))->kind == 'S');
    CHECK(view_target(as_bytes("Pname\0"s))->kind == 'P');
    CHECK(view_target(as_bytes("Sname\0"s))->name == "name");
    CHECK(view_target(as_bytes("S\0"s))->name.empty());
    CHECK(refuses_other_lengths("Sname\0"s, [](ByteView b) { return view_target(b).has_value(); }));
    for (int kind = 0; kind < 256; ++kind) {
        const std::string body = static_cast<char>(kind) + "n\0"s;
        CHECK(view_target(as_bytes(body)).has_value() == (kind == 'S' || kind == 'P'));
    }
}

TEST_CASE("an Execute has a portal and a row limit") {
    const std::string body = "po\0\0\0\1\2"s;
    CHECK(view_execute(as_bytes(body))->portal == "po");
    CHECK(view_execute(as_bytes(body))->rows_max == 258);
    CHECK(view_execute(as_bytes("\0\xff\xff\xff\xff"s))->rows_max == -1);
    CHECK(refuses_other_lengths(body, [](ByteView b) { return view_execute(b).has_value(); }));
}

TEST_CASE("a SASLInitialResponse has a mechanism and perhaps data") {
    const std::string body = "SCRAM-SHA-256\0\0\0\0\3abc"s;
    CHECK(view_sasl_initial(as_bytes(body))->mechanism == "SCRAM-SHA-256");
    CHECK(view_sasl_initial(as_bytes(body))->data == "abc");
    CHECK(refuses_other_lengths(body, [](ByteView b) { return view_sasl_initial(b).has_value(); }));
    CHECK(view_sasl_initial(as_bytes("X\0\xff\xff\xff\xff"s))->data.empty());
    CHECK_FALSE(view_sasl_initial(as_bytes("X\0\xff\xff\xff\xff!"s)));
    CHECK_FALSE(view_sasl_initial(as_bytes("X\0\xff\xff\xff\xfe"s)));
    CHECK_FALSE(view_sasl_initial(as_bytes("X\0\x80\0\0\0"s)));
    CHECK_FALSE(view_sasl_initial(as_bytes("X\0\x7f\xff\xff\xff"s)));
}

TEST_CASE("a password and the reason of a CopyFail are one text") {
    for (const auto view : {view_password, view_copy_fail}) {
        CHECK(*view(as_bytes("secret\0"s)) == "secret");
        CHECK(view(as_bytes("\0"s))->empty());
        CHECK(
            refuses_other_lengths("secret\0"s, [view](ByteView b) { return view(b).has_value(); }));
    }
}

TEST_CASE("a FunctionCall is followed through all of its arguments") {
    const std::string body = "\0\0\1\0\0\1\0\0\0\2\0\0\0\3abc\xff\xff\xff\xff\0\0"s;
    const auto view = view_function_call(as_bytes(body));
    REQUIRE(view);
    CHECK(view->function_oid == 256);
    CHECK(view->argument_count == 2);
    CHECK(
        refuses_other_lengths(body, [](ByteView b) { return view_function_call(b).has_value(); }));
    CHECK(view_function_call(as_bytes("\0\0\0\1\0\0\0\0\0\0"s))->argument_count == 0);
    CHECK_FALSE(view_function_call(as_bytes("\0\0\0\1\0\0\0\1\xff\xff\xff\xfe\0\0"s)));
    CHECK_FALSE(view_function_call(as_bytes("\0\0\0\1\0\0\xff\xff\0\0"s)));
}

TEST_CASE("random bodies never misbehave and views stay inside") {
    Prng prng(6);
    const auto is_inside = [](ByteView body, std::string_view text) {
        const char* from = reinterpret_cast<const char*>(body.data());
        return text.empty() ||
               (text.data() >= from && text.data() + text.size() < from + body.size());
    };
    int wrong = 0;
    for (int round = 0; round < 200'000; ++round) {
        std::string text(prng.below(24), '\0');
        for (char& c : text) {
            const uint64_t pick = prng.below(4);
            c = pick < 2 ? '\0' : pick == 2 ? 'S' : static_cast<char>(prng.next());
        }
        const Exact exact(text);
        const ByteView body = exact.view();
        if (const auto v = view_query(body)) wrong += !is_inside(body, v->sql);
        if (const auto v = view_parse(body)) wrong += !is_inside(body, v->sql);
        if (const auto v = view_bind_prefix(body)) wrong += v->names_bytes > body.size();
        if (const auto v = view_target(body)) wrong += !is_inside(body, v->name);
        if (const auto v = view_execute(body)) wrong += !is_inside(body, v->portal);
        if (const auto v = view_sasl_initial(body)) wrong += v->data.size() > body.size();
        if (const auto v = view_password(body)) wrong += !is_inside(body, *v);
        if (const auto v = view_function_call(body)) wrong += v->argument_count > body.size();
    }
    CHECK(wrong == 0);
}

}  // namespace
}  // namespace weir::frontend_test
