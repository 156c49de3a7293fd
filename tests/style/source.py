"""What the checkers share: which files there are, and C++ text without its comments and literals."""
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROOMS = ("protocol", "conf", "health", "proxy", "admin")
IGNORED = re.compile(r"(^|/)(\.git|build|build-[^/]*|node_modules|__pycache__)(/|$)")


def files(root=ROOT):
    """All files of the project as paths relative to root: those git knows or would add, or,
    without git, everything outside build folders."""
    root = pathlib.Path(root)
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z", "--cached", "--others",
         "--exclude-standard"], capture_output=True, check=False) if (root / ".git").exists() else None
    if listed and listed.returncode == 0:
        names = [n for n in listed.stdout.decode().split("\0") if n]
    else:
        names = [p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()]
    return sorted(n for n in set(names) if not IGNORED.search(n) and (root / n).is_file())


def is_cpp(name):
    return name.endswith((".h", ".cpp"))


def is_product(name):
    return name.split("/")[0] in ROOMS


def read(root, name):
    return (pathlib.Path(root) / name).read_text(encoding="utf-8", errors="replace")


_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<tag>[^\s()\\]{0,16})\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*\""""
    r"""|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'""", re.S)


def code_only(text):
    """The text with comments blanked and literals emptied; line numbers stay as they are."""
    def blank(match):
        token = match.group(0)
        lines = "\n" * token.count("\n")
        if token.startswith("/"):
            return " " + lines
        return ('""' if token[-1] == '"' else "' '") + lines
    return _TOKEN.sub(blank, text)


def report(problems, what, count):
    """Prints the problems, or that there are none; gives the exit status."""
    for problem in problems:
        print(problem)
    print(f"{what}: {count} files, {len(problems)} problems")
    return 1 if problems else 0
