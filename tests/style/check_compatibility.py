#!/usr/bin/python3
"""conf/compatibility.md says of everything that PgBouncer has which tests cover it; this keeps it true.

    | `item` | tests |     a row; tests are separated by `;`, and are
                           module.Class.test or module.Class of tests/integration,
                           path_test.cpp "title" below tests/unit, with the title as far as it is needed,
                           none (so far), or what begins with `no effect:` and says why
Wrong are: a row that names a test which is not there or names none at all, an item that stands twice in a chapter, and the lack of a row for an option of
conf/option_table.cpp (chapter Options), for a key of [databases], [users] or [peers] in conf/reference.md (chapters of that name), and for a table of
tests/golden/show_columns.txt (chapter SHOW). `check_compatibility.py [FOLDER]` prints one line per problem and exits 1 when there is any; with --open it
prints the rows without a test instead.
"""
import ast
import pathlib
import re
import sys

import check_options
import source

PLACE, GOLDEN = "conf/compatibility.md", "tests/golden/show_columns.txt"
KEYS = ("databases", "users", "peers")
ROW = re.compile(r"^\| `([^`]+)` \| (.*) \|$")


def chapters(text):
    """(title, [(line, item, tests)]) of each `## ` chapter that has rows."""
    found, rows = [], None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("## "):
            rows = []
            found.append((line[3:].strip(), rows))
        elif rows is not None and (match := ROW.match(line)):
            rows.append((number, match[1], [t.strip() for t in match[2].split(";")]))
    return [(title, rows) for title, rows in found if rows]


class Tests:
    """The names of all tests."""

    def __init__(self, root):
        self.root, self.units = pathlib.Path(root), {}
        self.integration = set()
        for path in sorted((self.root / "tests" / "integration").glob("test_*.py")):
            module = path.stem.removeprefix("test_")
            for node in ast.parse(path.read_text()).body:
                if not isinstance(node, ast.ClassDef):
                    continue
                names = [n.name for n in node.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test")]
                self.integration.update(f"{module}.{node.name}.{name}" for name in names)
                if names:
                    self.integration.add(f"{module}.{node.name}")

    def titles(self, name):
        if name not in self.units:
            path = self.root / "tests" / "unit" / name
            text = path.read_text() if path.is_file() else ""
            parts = re.findall(r'TEST_CASE(?:_FIXTURE\(\w+,|\()\s*((?:"(?:\\.|[^"\\])*"\s*)+)\)', text)
            self.units[name] = ["".join(re.findall(r'"((?:\\.|[^"\\])*)"', part)) for part in parts]
        return self.units[name]

    def problem_of(self, test):
        if test == "none" or test.startswith("no effect: "):
            return None
        if match := re.fullmatch(r'(\S+_test\.cpp) "(.+)"', test):
            if any(title.startswith(match[2]) for title in self.titles(match[1])):
                return None
            return f"tests/unit/{match[1]} has no test \"{match[2]}\""
        if test in self.integration:
            return None
        return f"there is no test {test}"


def needed(root):
    """What must have a row, by chapter."""
    read = lambda name: source.read(root, name)  # noqa: E731
    out = {"Options": [name for name, _ in check_options.table_rows(read(check_options.TABLE))]}
    for title, names in check_options.reference_sections(read(check_options.REFERENCE)):
        for section in KEYS:
            if f"[{section}]" in title:
                out[f"Keys of [{section}]"] = names
    out["SHOW"] = re.findall(r"^SHOW (.+)$", read(GOLDEN), re.M)
    return out


def check_tree(root=source.ROOT):
    root = pathlib.Path(root)
    missing = [f"{name}: no such file" for name in (PLACE, GOLDEN, check_options.TABLE, check_options.REFERENCE) if not (root / name).is_file()]
    if missing:
        return missing, 1
    tests, problems, rows_seen, items = Tests(root), [], 0, {}
    for title, rows in chapters(source.read(root, PLACE)):
        known = items.setdefault(title, set())
        for line, item, names in rows:
            rows_seen += 1
            if item in known:
                problems.append(f"{PLACE}:{line}: {item} stands there twice")
            known.add(item)
            problems += [f"{PLACE}:{line}: {item}: {problem}" for name in names if (problem := tests.problem_of(name))]
    for title, names in needed(root).items():
        problems += [f"{PLACE}: {name} has no row in the chapter {title}" for name in names if name not in items.get(title, ())]
    return problems, rows_seen


def open_rows(root=source.ROOT):
    return [f"{title}: {item}" for title, rows in chapters(source.read(root, PLACE)) for _, item, names in rows if names == ["none"]]


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if a != "--open"]
    where = pathlib.Path(arguments[0]) if arguments else source.ROOT
    if "--open" in sys.argv:
        print("\n".join(open_rows(where)))
        sys.exit(0)
    found, checked = check_tree(where)
    sys.exit(source.report(found, "compatibility", checked))
