// Recognises commands that make a server forget statements that it has prepared, or that make these
// out of date, or that change how the next ones are read. Thread: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir {

// DEALLOCATE ALL and DISCARD ALL: what is sent behind one that has not been answered yet cannot
// count on any name.
// `sql` is a query's text, one or more statements, without the NUL. Errs on the side of true. Made
// to be quick with the ordinary single statement: no more is read of it than the first word and
// whether there is a semicolon. What a function does inside it cannot see.
[[nodiscard]] bool may_forget_statements(std::string_view sql);

// SET and RESET: what is parsed behind one that has not been answered yet may be read under other
// settings than those the server has told of. As above; of several statements, any will do.
[[nodiscard]] bool may_change_settings(std::string_view sql);

// The statement that `sql` deallocates, as PostgreSQL reads the name ("Lexical Structure": letters
// are folded unless it is quoted). Nothing unless `sql` is DEALLOCATE [PREPARE] name and no more;
// nothing, too, for ALL, and for a name that PostgreSQL would cut.
[[nodiscard]] std::optional<std::string> deallocated_name(std::string_view sql);

// `tag` of a CommandComplete, without the NUL: a statement that was prepared before may mean
// something else when it is prepared now, having other columns or types.
[[nodiscard]] bool may_change_statements(std::string_view tag);

}  // namespace weir
