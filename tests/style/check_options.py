#!/usr/bin/python3
"""Options are told in one place: what is derived from the option table must agree with it.

    conf/option_table.cpp      the table: rows beginning `{"name", …` or `{Group, "name", …`; one
                               that ends in `"other_name"}` is another spelling of that option
    conf/reference.md          what an operator reads: headings or first table cells `name`
    tests/golden/options.txt   what SHOW CONFIG lists: the first word of each line
    conf/*.ini                 the samples: keys of [pgbouncer] and [weir] must exist
Every name of the table is in the other two and nothing else is; another spelling may be in the
reference and is not in the golden. `check_options.py [FOLDER]` prints one line per difference and
exits 1 when there is any.
"""
import pathlib
import re
import sys

import source

TABLE, REFERENCE, GOLDEN = "conf/option_table.cpp", "conf/reference.md", "tests/golden/options.txt"
NAME = r"[a-z][a-z0-9_]*"


def table_rows(text):
    """(name, other spelling of, or None) of the rows; a name is the first literal of its row."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)
    start = re.compile(rf'^[ \t]*(?:[A-Za-z_]\w*[ \t]*)?[({{]\s*(?:[A-Za-z_][\w:]*,\s*)?"({NAME})"\s*,',
                       re.M)
    found = list(start.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    rows = []
    for match, end in zip(found, ends):
        alias = re.search(rf',\s*"({NAME})"\s*[)}}]+\s*[,;]?\s*(?:}};.*)?\Z', text[match.end() - 1:end], re.S)
        rows.append((match.group(1), alias.group(1) if alias else None))
    return rows


def reference_sections(text):
    """(heading, names) of each part of the reference between `## ` headings."""
    parts = re.split(r"^##? (?!#)(.*)$", text, flags=re.M)
    named = re.compile(rf"^(?:#{{2,6}} +`?({NAME})`?(?: .*)?$|\| *`({NAME})` *\|)", re.M)
    sections = []
    for i in range(0, len(parts), 2):
        title = parts[i - 1] if i else ""
        sections.append((title, [a or b for a, b in named.findall(parts[i])]))
    return sections


def reference_names(text):
    """Options of the [pgbouncer] and [weir] sections: parts about [databases] or [users] are apart."""
    return [name for title, names in reference_sections(text) for name in names
            if not re.search(r"\[(databases|users|backends|rate_limit:NAME|peers)\]", title)]


def golden_names(text):
    return [m for m in re.findall(rf"^\|? *({NAME})\b", text, re.M)]


def sample_names(text):
    """(line, key) of the [pgbouncer] and [weir] sections, those commented out as `;key = ` too."""
    section, found = "", []
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.match(r"\s*\[(\w+)\]", line):
            section = match.group(1)
        elif section in ("pgbouncer", "weir"):
            if match := re.match(rf"[;#]?({NAME}) *=", line):
                found.append((number, match.group(1)))
    return found


def compare(needed, allowed, names, where):
    """What is wrong with `names`, found in the file `where`."""
    problems = [f"{where}: {name} is missing" for name in needed if name not in names]
    problems += [f"{where}: {name} does not belong there by {TABLE}" for name in dict.fromkeys(names)
                 if name not in allowed]
    return problems + [f"{where}: {name} stands there twice" for name in dict.fromkeys(names)
                       if names.count(name) > 1]


def check_tree(root=source.ROOT):
    root = pathlib.Path(root)
    missing = [f"{name}: no such file" for name in (TABLE, REFERENCE, GOLDEN)
               if not (root / name).is_file()]
    if missing:
        return missing, 3
    rows = table_rows(source.read(root, TABLE))
    if not rows:
        return [f"{TABLE}: no row begins with {{\"name\", … or {{Group, \"name\", …"], 3
    every = [name for name, _ in rows]
    shown = [name for name, alias in rows if alias is None]
    problems = [f"{TABLE}: {name} has two rows" for name in dict.fromkeys(every)
                if every.count(name) > 1]
    problems += [f"{TABLE}: {name} is another spelling of {alias}, which is no option"
                 for name, alias in rows if alias is not None and alias not in shown]
    problems += compare(shown, every, reference_names(source.read(root, REFERENCE)), REFERENCE)
    problems += compare(shown, shown, golden_names(source.read(root, GOLDEN)), GOLDEN)
    samples = sorted((root / "conf").glob("*.ini"))
    for sample in samples:
        problems += [f"conf/{sample.name}:{number}: {key} is not in {TABLE}"
                     for number, key in sample_names(sample.read_text()) if key not in every]
    return problems, 3 + len(samples)


if __name__ == "__main__":
    found, checked = check_tree(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else source.ROOT)
    sys.exit(source.report(found, "options", checked))
