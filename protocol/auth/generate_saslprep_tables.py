#!/usr/bin/env python3
"""Writes saslprep_tables.cpp next to itself (see saslprep_tables.h for what the tables mean).

    python3 protocol/auth/generate_saslprep_tables.py

Sources: Python's `stringprep` module is RFC 3454's tables; `unicodedata.ucd_3_2_0` says which code
points Unicode 3.2 assigned; `unicodedata` (14 or later) gives decompositions and combining classes.
PostgreSQL normalises with a recent Unicode too, and Unicode's stability policy makes that the same
as 3.2 except for the five CJK ideographs of Corrigendum 4, where PostgreSQL's answer is the one we
need.
The output does not depend on the Python version: the script asserts what it relies on.
"""

import pathlib
import stringprep
import unicodedata

CODES = [code for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
ASSIGNED = [code for code in CODES if unicodedata.ucd_3_2_0.category(chr(code)) != "Cn"]
HANGUL = range(0xAC00, 0xD7A4)
CORRIGENDUM_4 = [0x2F868, 0x2F874, 0x2F91F, 0x2F95F, 0x2F9BF]

PROHIBITED = [
    stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3,
    stringprep.in_table_c4, stringprep.in_table_c5, stringprep.in_table_c6,
    stringprep.in_table_c7, stringprep.in_table_c8, stringprep.in_table_c9,
    stringprep.in_table_a1,
]


def ranges(predicate):
    """The code points for which predicate holds, as [first, last] pairs."""
    found = []
    for code in CODES:
        if predicate(chr(code)):
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return found


def combining_ranges():
    found = []
    for code in ASSIGNED:
        combining = unicodedata.combining(chr(code))
        assert combining == unicodedata.ucd_3_2_0.combining(chr(code))
        if combining == 0:
            continue
        if found and found[-1][1] == code - 1 and found[-1][2] == combining:
            found[-1][1] = code
        else:
            found.append([code, code, combining])
    return found


def decompositions():
    """Runs of one-to-one mappings, one-to-many mappings, and the pool those point into."""
    singles, sequences, pool, places = [], [], [], {}
    for code in ASSIGNED:
        if code in HANGUL:
            continue
        text = unicodedata.normalize("NFKD", chr(code))
        if code not in CORRIGENDUM_4:
            assert text == unicodedata.ucd_3_2_0.normalize("NFKD", chr(code))
        if text == chr(code):
            continue
        if len(text) == 1:
            last = singles[-1] if singles else None
            if last and last[1] == code - 1 and last[2] + code - last[0] == ord(text):
                last[1] = code
            else:
                singles.append([code, code, ord(text)])
            continue
        if text not in places:
            places[text] = len(pool)
            pool.extend(ord(char) for char in text)
        sequences.append([code, places[text], len(text)])
    return singles, sequences, pool


def compositions():
    found = []
    for code in ASSIGNED:
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) != 2 or parts[0].startswith("<"):
            continue
        first, second = (int(part, 16) for part in parts)
        if unicodedata.normalize("NFC", chr(first) + chr(second)) == chr(code):
            found.append([first, second, code])
    return sorted(found)


def number(value):
    return f"0x{value:X}" if value > 9 else str(value)


def table(kind, name, rows):
    """A constant array, many rows to a line, and the span that gives it its name."""
    items = ["{" + ", ".join(map(number, row)) + "}" if isinstance(row, list) else number(row)
             for row in rows]
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > 100:
            lines.append(line)
            line = "   "
        line += f" {item},"
    lines.append(line)
    body = "\n".join(lines)
    return (f"namespace {{\nconstexpr {kind} {name}Rows[] = {{\n{body}\n}};\n}}  // namespace\n"
            f"constinit const std::span<const {kind}> {name} = {name}Rows;\n")


def main():
    singles, sequences, pool = decompositions()
    parts = [
        "// Written by generate_saslprep_tables.py; do not edit.\n",
        '#include "protocol/auth/saslprep_tables.h"\n',
        "// clang-format off\n",
        "namespace weir {\n",
        table("CodeRange", "kNonAsciiSpace", ranges(stringprep.in_table_c12)),
        table("CodeRange", "kMappedToNothing", ranges(stringprep.in_table_b1)),
        table("CodeRange", "kProhibited",
              ranges(lambda char: any(test(char) for test in PROHIBITED))),
        table("CodeRange", "kRightToLeft", ranges(stringprep.in_table_d1)),
        table("CodeRange", "kLeftToRight", ranges(stringprep.in_table_d2)),
        table("CombiningRange", "kCombining", combining_ranges()),
        table("SingleMapping", "kSingleMappings", singles),
        table("SequenceMapping", "kSequenceMappings", sequences),
        table("char32_t", "kSequencePool", pool),
        table("Composition", "kCompositions", compositions()),
        "}  // namespace weir\n",
    ]
    target = pathlib.Path(__file__).with_name("saslprep_tables.cpp")
    target.write_text("\n".join(parts), encoding="ascii")


if __name__ == "__main__":
    main()
