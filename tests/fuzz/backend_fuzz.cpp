// Goal: no body of a message, from a server or a client, makes a view misbehave, and every view
// lies within the body.
// Method: the first byte picks the view; the rest is the body, in a block of exactly its size.
// (ServerLogin, which is built on these views, has random messages in tests/unit/proxy.)
#include "protocol/message/backend.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "protocol/message/frontend.h"

namespace weir {
namespace {

void require(bool condition) {
    if (!condition) __builtin_trap();
}

class Body {
  public:
    Body(const uint8_t* data, size_t size)
        : size_(size), block_(std::make_unique<uint8_t[]>(size)) {
        std::copy(data, data + size, block_.get());
    }
    [[nodiscard]] ByteView view() const { return {block_.get(), size_}; }
    // `part` is empty or within the body.
    void has(ByteView part) const {
        if (part.empty()) return;
        require(part.data() >= block_.get() && part.data() + part.size() <= block_.get() + size_);
    }
    // ... and, as a text, without a NUL.
    void has_text(std::string_view part) const {
        has(as_bytes(part));
        require(part.find('\0') == std::string_view::npos);
    }

  private:
    size_t size_;
    std::unique_ptr<uint8_t[]> block_;
};

void check_server_view(unsigned which, const Body& body) {
    switch (which) {
        case 0:
            if (const auto v = view_auth(body.view())) body.has(v->data);
            break;
        case 1:
            if (const auto v = view_parameter_status(body.view())) {
                body.has_text(v->name);
                body.has_text(v->value);
            }
            break;
        case 2:
            require(!view_backend_key_data(body.view()) ||
                    (body.view().size() >= 8 && body.view().size() <= 260));
            break;
        case 3: require(!view_ready_for_query(body.view()) || body.view().size() == 1); break;
        case 4:
            if (const auto v = view_command_complete(body.view())) body.has_text(*v);
            break;
        default: {
            const ErrorView v = view_error(body.view());
            for (const std::string_view field :
                 {v.severity, v.sqlstate, v.message, v.detail, v.hint, v.routine})
                body.has_text(field);
        }
    }
}

void check_client_view(unsigned which, const Body& body) {
    switch (which) {
        case 0:
            if (const auto v = view_query(body.view())) body.has_text(v->sql);
            break;
        case 1:
            if (const auto v = view_parse(body.view())) {
                body.has_text(v->name);
                body.has_text(v->sql);
                body.has(v->text_and_types);
                require(v->name.size() + 1 + v->text_and_types.size() == body.view().size());
                require(v->sql.size() + 3 + size_t{v->type_count} * 4 == v->text_and_types.size());
            }
            break;
        case 2:
            if (const auto v = view_bind_prefix(body.view())) {
                body.has_text(v->portal);
                body.has_text(v->statement);
                require(v->names_bytes == v->portal.size() + v->statement.size() + 2);
                require(v->names_bytes <= body.view().size());
            }
            break;
        case 3:
            if (const auto v = view_target(body.view())) body.has_text(v->name);
            break;
        case 4:
            if (const auto v = view_execute(body.view())) body.has_text(v->portal);
            break;
        case 5:
            if (const auto v = view_sasl_initial(body.view())) {
                body.has_text(v->mechanism);
                body.has(as_bytes(v->data));
            }
            break;
        case 6:
            if (const auto v = view_password(body.view())) body.has_text(*v);
            break;
        default:
            if (const auto v = view_function_call(body.view()))
                require(size_t{v->argument_count} * 4 <= body.view().size());
    }
}

}  // namespace
}  // namespace weir

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace weir;
    if (size == 0) return 0;
    const Body body(data + 1, size - 1);
    const unsigned which = data[0] % 14;
    if (which < 6) {
        check_server_view(which, body);
    } else {
        check_client_view(which - 6, body);
    }
    return 0;
}
