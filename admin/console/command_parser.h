// The console's grammar: text to commands, before it is known which commands there are.
//
//   query   = [ command ] { ";" [ command ] }
//   command = word { word }                                       at most kCommandWordsMax
//           | ( SHOW | SELECT ) word { word } [ clauses ]         see show_clauses.h
//           | SET [ SESSION | LOCAL ] word ( "=" | TO ) value { "," value }
//           | ADD word word [ string ] { word }
//           | EXPLAIN ROUTE [ FOR word [ USER word ] ] sql      sql: all the rest of the query
//   word    = [A-Za-z0-9_.$-]+ or any byte above ASCII | "any ""text"""
//   value   = word | string
//   string  = 'any ''text'''
//
// Blanks and comments (`-- to the end of the line`, `/* nested */`) separate. Letter case matters
// only in names. What begins `sql` is left as it is, comments too: the first may be a hint. This
// takes all that PgBouncer's grammar takes, and also `PAUSE my-db` unquoted.
//
// Thread: any (pure functions).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "admin/console/show_clauses.h"
#include "protocol/base/result.h"

namespace weir {

constexpr size_t kCommandBytesMax = 64 * 1024;  // of a query's text
constexpr size_t kCommandWordsMax = 16;

struct Command {
    struct Word {
        std::string text;  // without its quotes
        size_t at = 0;     // its first character in the query's text, from 1
    };
    std::vector<Word> words;  // the first is the verb; of SET: the verb and the setting's name
    std::string value;        // of SET, several are joined by ", "; or the string of ADD
    std::string sql;          // of EXPLAIN ROUTE, whose words are database and user, too
    ShowClauses clauses;      // of SHOW
    std::string text;         // as it was written, for messages
};

// The commands of a query, none when it is blank. An error names the place, in characters from 1.
Result<std::vector<Command>> parse_commands(std::string_view query);

}  // namespace weir
