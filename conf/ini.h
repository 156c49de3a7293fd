// The INI dialect of pgbouncer.ini: turns text into section and value events, and collects every
// syntax error with its place instead of stopping at the first.
//
//   line     = blanks ( comment | section | include | setting )
//   comment  = (";" | "#") anything          only at line start, never after a value
//   section  = "[" name "]" anything         what follows the bracket is ignored
//   include  = "%include" blanks file        relative to the working directory; the section in
//   force carries
//                                            into the file and out of it
//   setting  = key blanks "=" value          the value runs to the end of the line, trailing blanks
//   cut key      = [A-Za-z0-9_.*-]+ | 'anything' | "any""thing"
//
// CRLF line ends, a UTF-8 byte order mark and a last line without newline are accepted.
// Thread: any (no state of its own).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"

namespace weir {

// One thing wrong in a file: what, and what to do about it ("message; remedy").
struct ConfigError {
    std::string file;
    int line = 0;  // 0 = the file as a whole
    std::string message;

    bool operator==(const ConfigError&) const = default;
};

// "file:line: message"
std::string to_string(const ConfigError& error);

// Appends, up to kConfigErrorsMax; the last kept one says that more were not kept.
void add_error(std::vector<ConfigError>& errors, ConfigError error);

struct IniPlace {
    std::string file;
    int line = 0;
};

struct IniEvents {
    std::function<void(std::string_view section, const IniPlace& at)> on_section;
    std::function<void(std::string_view key, std::string_view value, const IniPlace& at)> on_value;
};

// Gives the text of a file, or why it cannot (58P01: there is none).
using FileReader = std::function<Result<std::string>(const std::string& path)>;

// Reads a file whole; refuses directories and anything above kConfigFileBytesMax.
Result<std::string> read_file(const std::string& path);

// Parses `text` (called `file` in messages); `reader` supplies included files. Never stops early:
// errors are appended, the rest of the text still gives its events.
void parse_ini_text(std::string_view text, const std::string& file, const FileReader& reader,
                    const IniEvents& events, std::vector<ConfigError>& errors);

}  // namespace weir
