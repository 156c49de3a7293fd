// `weir top`: looks at a running Weir (or PgBouncer, as far as it has the tables) through its
// console, like htop. A program of its own inside the same binary: it shares nothing with a pooler
// but the code. See `weir top --help`, and admin/README.md.
#pragma once

namespace weir {

// As main(), without the program's name in front of `top`. Gives the exit code.
int run_top(int argc, char** argv);

}  // namespace weir
