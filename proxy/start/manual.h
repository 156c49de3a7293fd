// weir(1): the manual page of the program, with the options of command_line.h.
// conf/manual/weir.1 is this text; a test compares them (conf/reference.h says how to rewrite it).
// Thread: any (pure function).
#pragma once

#include <string>

namespace weir {

std::string render_weir_manual();

}  // namespace weir
