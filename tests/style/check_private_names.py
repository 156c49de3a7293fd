#!/usr/bin/python3
"""What two sources of a room keep to themselves has two names.

The instrumented builds compile eight sources of a room as one (WEIR_UNITY), and which eight changes with every file
that is added: a name in two anonymous namespaces is an error some day. Often it is one thing written twice, too.
`check_private_names.py [FOLDER]` prints one line per problem and exits 1 when there is any.
"""
import collections
import pathlib
import re
import sys

import source

PRIVATE = re.compile(r"^namespace \{\n(.*?)^\}  // namespace$", re.S | re.M)  # as clang-format has it
TYPE = re.compile(r"(?:template\s*<.*>\s*)?(?:struct|class|enum class|enum|union)\s+(\w+)")
VALUE = re.compile(r"(?:constexpr|const|inline|static|thread_local)\b[^(={]*?\b(\w+)\s*(?:\[[^\]]*\])?\s*(?:=|\{)")
FUNCTION = re.compile(r"[A-Za-z_][\w:<>,&*\s]*?[\s&*>](\w+)\(([^()]*(?:\([^()]*\)[^()]*)*)\)?")


def signature(name, parameters):
    """Functions of one name may differ in what they take: the types, references and const aside."""
    types = [re.sub(r"\b(const|struct)\b|&|\s", "", re.sub(r"\s*\b\w+\s*(=.*)?$", "", p)) for p in parameters.split(",")]
    return f"{name}({', '.join(types)})"


def private_names(text):
    """The names at the top of a source's anonymous namespaces."""
    names = set()
    for block in map(source.code_only, PRIVATE.findall(text)):
        # A line that begins at the left margin begins a declaration; what hangs below it may belong to it.
        for start in re.finditer(r"^[A-Za-z_]", block, re.M):
            line = block[start.start():block.find("\n", start.start())]
            if line.startswith(("using ", "template", "static_assert", "namespace", "extern", "public", "private")):
                continue
            head = re.match(r"[^;{]*", block[start.start():]).group(0)
            if match := TYPE.match(line):
                names.add(match.group(1))
            elif match := VALUE.match(line):
                names.add(match.group(1))
            elif match := FUNCTION.match(head):
                names.add(signature(*match.groups()))
    return names


def check_tree(root=source.ROOT):
    where = collections.defaultdict(list)
    names = [n for n in source.files(root) if n.endswith(".cpp") and source.is_product(n) and n != "proxy/main.cpp"]
    for name in names:
        for private in private_names(source.read(root, name)):
            where[name.split("/")[0], private].append(name)
    problems = [f"{found[-1]}: {private} is a private name of {found[0]}, too"
                for (_, private), found in sorted(where.items()) if len(found) > 1]
    return problems, len(names)


if __name__ == "__main__":
    found, checked = check_tree(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else source.ROOT)
    sys.exit(source.report(found, "private names", checked))
