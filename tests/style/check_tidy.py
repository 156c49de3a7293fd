#!/usr/bin/python3
"""The rules of CONTRIBUTING.md that a line or a function shows.

  * C++ lines have at most 100 columns;
  * functions in .cpp files of the rooms, bench/ and tests/support/ have at most 70 lines;
  * calls that are banned, some of them in the rooms only (BANNED);
  * a marker of work left over names its kind, as TYPED shows; there are no other markers;
  * the project speaks of itself alone (WORDS), in every text file.
A line with `// rule zero: reason` on it, or right above it, may break the first three.
`check_tidy.py [FOLDER]` prints one line per problem and exits 1 when there is any.
"""
import pathlib
import re
import sys

import source

COLUMNS = 100
FUNCTION_LINES = 70

ROOMS_ONLY, EVERYWHERE = "in the rooms", "everywhere"
BANNED = (
    (r"\b(strcpy|strcat|stpcpy|sprintf|vsprintf|gets|strtok)\s*\(", EVERYWHERE, "no bound on what it writes"),
    (r"\b(rand|srand|random_shuffle)\s*\(", EVERYWHERE, "use Prng or secure_random"),
    (r"\bsystem\s*\(", EVERYWHERE, "runs a shell"),
    (r"\b(sleep|usleep|nanosleep|sleep_for|sleep_until)\s*\(", ROOMS_ONLY, "product code waits for events"),
    (r"\bstd::regex\b", EVERYWHERE, "slow, and recursive on the input's length"),
    (r"\busing\s+namespace\s+std\b", EVERYWHERE, "say std::"),
    (r"\b(enable_)?shared_from_this\b", EVERYWHERE, "every object has one owner"),
)
# Spelled in pieces, so that this file is not its own first finding.
MARKER = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
TYPED = re.compile(r"TO" r"DO\((now|soon|someday|perf|security|test)\): \S")
WORDS = (
    (r"/wor" r"k/", "a path of one machine"),
    (r"\bissue" r" #", "a tracker's number: say what and why instead"),
    (r'"resolved":\s*"http', "a registry's host: npm config set omit-lockfile-registry-resolved true"),
)
EXCUSE = re.compile(r"//\s*rule zero: \S")
SCOPE = re.compile(r"\b(namespace|class|struct|union|enum)\b|\bextern\s*\"\"\s*$")
CODE_LIKE = (".h", ".cpp", ".py", ".txt", ".cmake", ".sh", ".ini", ".json", ".md", ".yml", ".yaml",
             ".toml", ".sql", ".conf", ".service", ".socket", "")


def excused(lines, index):
    """Whether line `index` (from 0) may break a rule: it, or the line above, says why."""
    return any(EXCUSE.search(lines[i]) for i in (index, index - 1) if 0 <= i < len(lines))


def check_columns(name, lines):
    return [f"{name}:{i + 1}: {len(line)} columns, at most {COLUMNS}"
            for i, line in enumerate(lines) if len(line) > COLUMNS and not excused(lines, i)]


def check_banned(name, lines, code):
    problems = []
    for i, line in enumerate(code.splitlines()):
        for pattern, where, why in BANNED:
            match = re.search(pattern, line)
            if match and (where == EVERYWHERE or source.is_product(name)) and not excused(lines, i):
                problems.append(f"{name}:{i + 1}: {match.group(0).strip()}: banned {where}: {why}")
    return problems


def kind_of_brace(head, inside_function):
    """What a `{` after the text `head` opens."""
    in_parentheses = head.count("(") > head.count(")")
    member_initialiser = re.search(r"\)\s*(noexcept\s*)?:[^:]", head) and re.search(r"[\w>]$", head)
    if in_parentheses or member_initialiser:
        return "initialiser"
    if inside_function or ")" not in head or head.rstrip().endswith("="):
        return "inner"
    plain = re.sub(r"\([^()]*\)|<[^<>]*>", "", head).split("(")[0]
    return "scope" if SCOPE.search(plain) else "function"


def functions(code):
    """(first line, last line) of each function, signature and body, from 1, by counting braces.
    Lambdas, control blocks and initialisers inside a function belong to it."""
    found, stack = [], []
    head, head_line, line = "", None, 1
    for char in code:
        if char == "\n":
            line += 1
        if char == "{":
            kind = kind_of_brace(head, any(outer[0] == "function" for outer in stack))
            stack.append((kind, head_line or line, head))
            head, head_line = "", None
        elif char == "}":
            kind, start, before = stack.pop() if stack else ("inner", line, "")
            if kind == "function":
                found.append((start, line))
            head, head_line = (before, start) if kind == "initialiser" else ("", None)
        elif char == ";" or (char == ":" and head.strip() in ("public", "protected", "private")):
            head, head_line = "", None
        else:
            if head_line is None and not char.isspace():
                head_line = line
            head += char
    return found


def check_functions(name, lines, code):
    # Preprocessor lines are not code, but a directive's text would join the next signature.
    code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda m: "\n" * m.group(0).count("\n"), code, flags=re.M)
    return [f"{name}:{first}: function of {last - first + 1} lines, at most {FUNCTION_LINES}"
            for first, last in functions(code)
            if last - first + 1 > FUNCTION_LINES and not excused(lines, first - 1)]


def check_markers(name, lines):
    problems = []
    for i, line in enumerate(lines):
        for match in MARKER.finditer(line):
            if not TYPED.match(line, match.start()):
                problems.append(f"{name}:{i + 1}: {match.group(0)} without its kind: TO" "DO("
                                "now|soon|someday|perf|security|test): text")
    return problems


def check_words(name, lines):
    return [f"{name}:{i + 1}: {match.group(0)!r}: {why}"
            for i, line in enumerate(lines) for pattern, why in WORDS
            for match in [re.search(pattern, line, re.I)] if match]


def check_file(name, text):
    lines = text.splitlines()
    problems = check_words(name, lines)
    if source.is_cpp(name):
        code = source.code_only(text)
        problems += check_columns(name, lines) + check_banned(name, lines, code)
        short = source.is_product(name) or name.startswith(("bench/", "tests/support/"))
        if name.endswith(".cpp") and short:
            problems += check_functions(name, lines, code)
    if source.is_cpp(name) or name.endswith((".py", "CMakeLists.txt", ".cmake", ".sh")):
        problems += check_markers(name, lines)
    return problems


def check_tree(root=source.ROOT):
    names = [n for n in source.files(root)
             if pathlib.PurePosixPath(n).suffix in CODE_LIKE and "/corpus/" not in n]
    problems = []
    for name in names:
        problems += check_file(name, source.read(root, name))
    return problems, len(names)


if __name__ == "__main__":
    found, checked = check_tree(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else source.ROOT)
    sys.exit(source.report(found, "tidy", checked))
