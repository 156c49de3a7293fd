#!/usr/bin/python3
"""The include rule, which keeps the rooms in one straight line.

    protocol <- conf <- health <- proxy <- admin <- proxy/main.cpp

A room includes only itself and rooms to its left; inside protocol and proxy a folder includes only
itself and folders listed before it (ORDER). Besides:
  * a quoted include is the path from the project's top folder and names a file that exists;
  * x.cpp includes its own x.h first;
  * a header begins with a `//` comment saying what it is, and then `#pragma once`;
  * libraries stay in their rooms (LIBRARIES).
`check_layers.py [FOLDER]` prints one line per problem and exits 1 when there is any.
"""
import pathlib
import re
import sys

import source

ORDER = {
    "protocol": ("base", "message", "auth", "tls", ""),
    "proxy": ("runtime", "net", "stats", "limits", "auth", "prepared", "routing", "leaks", "insight", "server", "pool", "session",
              "takeover", "", "control", "start"),
}
COMPOSITION_ROOT = "proxy/main.cpp"

# header (regex) -> folders whose files may include it; tests/ and bench/ may include anything.
LIBRARIES = (
    (r"uv\.h", r"proxy/(runtime/|net/|[^/]+$)", "libuv lives in proxy/runtime, proxy/net, proxy/"),
    (r"ares.*\.h", r"proxy/runtime/resolver\.cpp", "c-ares lives in proxy/runtime/resolver.cpp"),
    (r"(libpq-fe|libpq/.*|postgresql/.*)\.h", r"(health|admin)/", "libpq lives in health/, admin/"),
    (r"curl/.*", r"health/patroni_watch\.cpp", "libcurl lives in health/patroni_watch.cpp"),
    (r"nlohmann/.*", r"(health/patroni_answer\.cpp|admin/explain/)",
     "nlohmann-json lives in health/patroni_answer.cpp, admin/explain/"),
    (r"(pg_query|protobuf-c)([/.].*)", r"proxy/(routing/read_only_proof|insight/fingerprint)\.cpp",
     "libpg_query lives in proxy/routing/read_only_proof.cpp and proxy/insight/fingerprint.cpp"),
    (r"prometheus/.*", r"admin/metrics/", "prometheus-cpp lives in admin/metrics/"),
    (r"(n?curses|term|panel)\.h", r"admin/top/", "ncurses lives in admin/top/"),
    (r"re2/.*", r"conf/regex\.cpp", "RE2 lives in conf/regex.cpp"),
    (r"(ldap|lber)\.h", r"proxy/auth/ldap_check\.cpp", "libldap lives in proxy/auth/ldap_check.cpp"),
    (r"security/.*", r"proxy/auth/pam_check\.cpp", "PAM lives in proxy/auth/pam_check.cpp"),
    (r"openssl/.*", r"(protocol/|proxy/|admin/http/)", "OpenSSL lives in protocol/ (and proxy/, admin/http/)"),
    (r"civetweb\.h", r"admin/http/server\.cpp", "civetweb lives in admin/http/server.cpp"),
    (r"(sys/socket|sys/un|sys/epoll|netdb|netinet/.*|arpa/.*|poll)(\.h)?", r"(conf|health|proxy|admin)/",
     "protocol/ has no sockets"),
    (r"(thread|mutex|shared_mutex|condition_variable|future|pthread\.h)", r"(conf|health|proxy|admin)/",
     "protocol/ has no threads"),
    (r"spdlog/.*", r"(conf|health|proxy|admin)/", "protocol/ does not log"),
)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.M)


def room_and_folder(name):
    """protocol/base/bytes.h -> ("protocol", "base"); proxy/worker.h -> ("proxy", "")."""
    parts = name.split("/")
    return parts[0], parts[1] if len(parts) > 2 else ""


def check_room_include(name, target):
    """Why the file `name` may not include the project's file `target`, or None."""
    if name == COMPOSITION_ROOT:
        return None
    room, folder = room_and_folder(name)
    other_room, other_folder = room_and_folder(target)
    if other_room not in source.ROOMS:
        return f"product code includes {target}, which is not in a room"
    if source.ROOMS.index(other_room) > source.ROOMS.index(room):
        return f"{room}/ may not include {target}: {other_room}/ is to its right"
    order = ORDER.get(room)
    if other_room != room or order is None or folder == other_folder:
        return None
    for known in (folder, other_folder):
        if known not in order:
            return f"folder {room}/{known}/ has no place in ORDER (tests/style/check_layers.py)"
    if order.index(other_folder) > order.index(folder):
        here = f"{room}/{folder}".rstrip("/")
        return f"{here}/ may not include {target}: its folder comes later"
    return None


def check_header_start(name, text):
    """A `//` paragraph, then `#pragma once`, nothing else before it."""
    if not text.startswith("//"):
        return [f"{name}:1: a header begins with a // comment: what it is, who owns it, which thread"]
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("//"):
            if line.strip() == "#pragma once":
                return []
            return [f"{name}:{number}: expected #pragma once after the opening comment"]
    return [f"{name}:1: no #pragma once"]


def check_library(name, target):
    for header, allowed, why in LIBRARIES:
        if re.fullmatch(header, target) and not re.match(allowed, name):
            return f"includes <{target}>: {why}"
    return None


def check_file(root, name, text, known):
    problems = check_header_start(name, text) if name.endswith(".h") else []
    product = source.is_product(name)
    # Blank comments but keep include lines as they are: only block comments can hide one.
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S)
    first = True
    own = name[:-len(".cpp")] + ".h" if name.endswith(".cpp") else None
    for match in INCLUDE.finditer(text):
        where = f"{name}:{text.count(chr(10), 0, match.start()) + 1}"
        quoted, angled = match.groups()
        if first and product and own in known and quoted != own:
            problems.append(f'{where}: the first include is the file\'s own header, "{own}"')
        first = False
        if not product:
            continue
        if angled is not None:
            why = check_library(name, angled)
        elif quoted not in known:
            why = f'"{quoted}" is no file: give the path from the top folder; libraries in <>'
        else:
            why = check_room_include(name, quoted)
        if why:
            problems.append(f"{where}: {why}")
    return problems


def check_tree(root=source.ROOT):
    names = source.files(root)
    known = set(names)
    problems = []
    cpp = [n for n in names if source.is_cpp(n)]
    for name in cpp:
        problems += check_file(root, name, source.read(root, name), known)
    return problems, len(cpp)


if __name__ == "__main__":
    found, checked = check_tree(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else source.ROOT)
    sys.exit(source.report(found, "layers", checked))
