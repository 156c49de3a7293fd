#include "proxy/prepared/statement.h"

#include <openssl/evp.h>

#include "protocol/base/check.h"

namespace weir {

StatementId statement_id(ByteView content) {
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned bytes = 0;
    WEIR_CHECK(EVP_Digest(content.data(), content.size(), digest, &bytes, EVP_sha256(), nullptr) ==
               1);
    return {{load_be64(digest), load_be64(digest + 8)}};
}

ServerName server_name(const StatementId& id) {
    static constexpr char kDigits[] = "0123456789abcdef";
    ServerName name{'w', 'e', 'i', 'r', '_'};
    for (size_t i = 0; i < 32; ++i) {
        name[5 + i] = kDigits[id.words[i / 16] >> (60 - 4 * (i % 16)) & 0xf];
    }
    return name;
}

StatementCache::~StatementCache() {
    while (shelf_.pop_front() != nullptr) {
    }
    for (const auto& entry : by_content_)
        delete entry.second;
}

Statement& StatementCache::acquire(ByteView text_and_types, bool needs_name,
                                   std::string_view settings) {
    std::string_view content = as_text(text_and_types);
    if (!settings.empty()) {
        sought_.assign(settings).append(content);
        content = sought_;
    }
    const auto found = by_content_.find(content);
    Statement* statement = nullptr;
    if (found != by_content_.end()) {
        statement = found->second;
        take_off_shelf(*statement);
    } else {
        statement = new Statement();
        statement->content = content;
        statement->settings = std::string_view(statement->content).substr(0, settings.size());
        statement->text_and_types = std::string_view(statement->content).substr(settings.size());
        statement->references = 1;
        statement->effects = effects_of(statement->sql());
        bytes_ += content.size();
        by_content_.emplace(statement->content, statement);
    }
    if (needs_name && !statement->is_named) {
        statement->id = statement_id(as_bytes(statement->content));
        statement->name = server_name(statement->id);
        statement->is_named = true;
    }
    return *statement;
}

void StatementCache::take_off_shelf(Statement& statement) {
    if (statement.references++ > 0) return;
    shelf_.remove(statement);
    shelf_bytes_ -= statement.content.size();
}

void StatementCache::release(Statement& statement) {
    WEIR_CHECK(statement.references > 0);
    if (--statement.references > 0) return;
    shelf_.push_back(statement);
    shelf_bytes_ += statement.content.size();
    while (shelf_.size() > kUnreferencedMax || shelf_bytes_ > kUnreferencedBytesMax)
        drop_oldest();
}

void StatementCache::drop_oldest() {
    Statement* oldest = shelf_.pop_front();
    shelf_bytes_ -= oldest->content.size();
    bytes_ -= oldest->content.size();
    by_content_.erase(std::string_view(oldest->content));
    delete oldest;
}

}  // namespace weir
