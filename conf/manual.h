// weir.ini(5): the manual page of the configuration, from the same tables as the reference.
// conf/manual/weir.ini.5 is this text; a test compares them (reference.h says how to rewrite it).
// Thread: any (pure function).
#pragma once

#include <string>

namespace weir {

std::string render_weir_ini_manual();

}  // namespace weir
