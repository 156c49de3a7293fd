#include "proxy/start/identity.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace weir {

Status become_user(const std::string& user) {
    const passwd* found = getpwnam(user.c_str());
    if (found == nullptr) return fail("58000", "could not find user '" + user + "' to switch to");
    if (geteuid() == 0 && initgroups(user.c_str(), found->pw_gid) != 0)
        return fail("58000", std::string("failed to reset groups: ") + std::strerror(errno));
    if (setgid(found->pw_gid) != 0 || setuid(found->pw_uid) != 0) {
        return fail("58000",
                    "failed to assume identity of user '" + user + "': " + std::strerror(errno));
    }
    if (found->pw_uid != 0 && setuid(0) == 0)
        return fail("58000", "user '" + user + "' can become root again, cannot continue");
    return {};
}

}  // namespace weir
