// Pidfile: the file that names our process, removed with it. Owner: Control. Thread: control.
#pragma once

#include <string>

#include "protocol/base/result.h"

namespace weir {

class Pidfile {
  public:
    Pidfile() = default;
    ~Pidfile() { remove(); }
    Pidfile(const Pidfile&) = delete;
    Pidfile& operator=(const Pidfile&) = delete;

    // Makes sure that no process runs that `path` names, and removes it when it is of one that has
    // ended. Error when there is one, or when what is in the file is no process id.
    static Status check(const std::string& path);
    // Writes our process id into `path`; nothing when that is empty. The error says why not.
    Status write(const std::string& path);
    void remove();
    // Another process goes on, whose pidfile is `theirs`: that one stays, ours is removed if it is
    // another.
    void let_go(const std::string& theirs);

  private:
    std::string path_;  // of the file that is ours
};

}  // namespace weir
