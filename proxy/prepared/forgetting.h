// Recognises commands that make a server forget statements that it has prepared, or that make these
// out of date, or that change how the next ones are read. Thread: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir {

// What a query may do to that which is sent behind it before it has been answered.
struct Effects {
    bool may_forget = false;  // DEALLOCATE ALL, DISCARD ALL: nothing can count on any name
    bool may_set = false;     // SET, RESET: texts may be read under settings not told of yet
};

// `sql` is a query's text, one or more statements, without the NUL. Errs on the side of true. Made
// to be quick with the ordinary single statement: no more is read of it than the first word and
// whether there is a semicolon. What a function does inside it cannot see.
[[nodiscard]] Effects effects_of(std::string_view sql);

// The statement that `sql` deallocates, as PostgreSQL reads the name ("Lexical Structure": letters
// are folded unless it is quoted). Nothing unless `sql` is DEALLOCATE [PREPARE] name and no more;
// nothing, too, for ALL, and for a name that PostgreSQL would cut.
[[nodiscard]] std::optional<std::string> deallocated_name(std::string_view sql);

// `tag` of a CommandComplete, without the NUL: a statement that was prepared before may mean
// something else when it is prepared now, having other columns or types.
[[nodiscard]] bool may_change_statements(std::string_view tag);

}  // namespace weir
