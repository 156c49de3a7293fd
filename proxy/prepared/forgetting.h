// Recognises commands that make a server forget the statements it has prepared: DEALLOCATE ALL and
// DISCARD ALL. What is sent behind one that has not been answered yet cannot count on any name.
// Thread: any.
#pragma once

#include <string_view>

namespace weir {

// `sql` is a query's text, one or more statements, without the NUL. Errs on the side of true. Made
// to be quick with the ordinary single statement: no more is read of it than the first word and
// whether there is a semicolon. What a function does inside it cannot see.
[[nodiscard]] bool may_forget_statements(std::string_view sql);

}  // namespace weir
