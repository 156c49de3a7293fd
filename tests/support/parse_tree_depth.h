// How deep the tree of libpg_query is for a text, in nested messages; 0 when it cannot be parsed.
// The measure against which sql_shape.h is tested. Thread: any.
#pragma once

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include <algorithm>
#include <cstdint>
#include <string>

namespace weir {

inline size_t depth_of_message(const ProtobufCMessage* message) {
    size_t deepest = 0;
    const auto* const bytes = reinterpret_cast<const uint8_t*>(message);
    for (unsigned i = 0; i < message->descriptor->n_fields; ++i) {
        const ProtobufCFieldDescriptor& field = message->descriptor->fields[i];
        if (field.type != PROTOBUF_C_TYPE_MESSAGE) continue;
        const void* const member = bytes + field.offset;
        const void* const quantifier = bytes + field.quantifier_offset;
        if (field.label == PROTOBUF_C_LABEL_REPEATED) {
            const size_t count = *static_cast<const size_t*>(quantifier);
            const auto* const items = *static_cast<ProtobufCMessage* const* const*>(member);
            for (size_t k = 0; k < count; ++k)
                deepest = std::max(deepest, depth_of_message(items[k]));
        } else if ((field.flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
                   *static_cast<const uint32_t*>(quantifier) == field.id) {
            const auto* const item = *static_cast<ProtobufCMessage* const*>(member);
            if (item != nullptr) deepest = std::max(deepest, depth_of_message(item));
        }
    }
    return deepest + 1;
}

inline size_t parse_tree_depth(const std::string& sql) {
    const PgQueryProtobufParseResult packed = pg_query_parse_protobuf(sql.c_str());
    size_t depth = 0;
    if (packed.error == nullptr) {
        PgQuery__ParseResult* const tree = pg_query__parse_result__unpack(
            nullptr, packed.parse_tree.len,
            reinterpret_cast<const uint8_t*>(packed.parse_tree.data));
        if (tree != nullptr) {
            depth = depth_of_message(&tree->base);
            pg_query__parse_result__free_unpacked(tree, nullptr);
        }
    }
    pg_query_free_protobuf_parse_result(packed);
    return depth;
}

// Most messages that a tree may nest for a bound of sql_shape.h.
inline size_t nested_messages_max(uint32_t depth_bound) {
    return 32 + 4 * size_t{depth_bound};
}

}  // namespace weir
