// SecretResult: what auth_query has answered about one user: two columns, name and secret, and one
// row or none. Fed whole messages of the server; pure. Owner: SecretLookups. Thread: the worker's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "protocol/message/types.h"
#include "proxy/auth/login_question.h"

namespace weir {

class SecretResult {
  public:
    // A message of the answer but ReadyForQuery.
    void on_message(BackendTag tag, ByteView body);

    // All has come. No row: not known; NULL as secret: known, and no password is right. The error
    // is for the log: what a stranger is told of it is not its business.
    Result<UserSecret> take(std::string_view user);

  private:
    void on_columns(ByteView body);
    void on_row(ByteView body);
    void refuse(std::string problem);

    std::optional<std::string> problem_;  // the first one
    bool has_columns_ = false;
    bool has_row_ = false;
    std::string name_;
    SecretString secret_;
};

}  // namespace weir
