#!/usr/bin/python3
"""Line coverage from a build folder made with WEIR_COVERAGE, after the tests have run in it.

    check_coverage.py build-coverage

Prints the share of lines run per folder. The gate is GATE percent for the pure parts: protocol/,
conf/, proxy/pool/ and the state machines. A line that ends in `// uncovered: reason` is exempt.
"""
import collections
import gzip
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import source

GATE = 95.0
GATED = re.compile(r"(protocol|conf|proxy/pool)/|.*_fsm\.(h|cpp)$")
EXEMPT = re.compile(r"//\s*uncovered: \S")


def is_gated(name):
    return GATED.match(name) is not None


def counted_lines(counts, text):
    """(lines run, lines that should run, those that did not) from {line: times}."""
    lines = text.splitlines()
    due = [n for n in sorted(counts) if n > len(lines) or not EXEMPT.search(lines[n - 1])]
    missed = [n for n in due if counts[n] == 0]
    return len(due) - len(missed), len(due), missed


def gather(build):
    """{file: {line: times}} of the rooms, over every object of the build."""
    data = [str(p.resolve()) for p in pathlib.Path(build).rglob("*.gcda")]
    times = collections.defaultdict(lambda: collections.defaultdict(int))
    with tempfile.TemporaryDirectory() as folder:
        for start in range(0, len(data), 50):
            subprocess.run(["gcov", "--json-format", "--preserve-paths", *data[start:start + 50]],
                           cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for result in pathlib.Path(folder).glob("*.gcov.json.gz"):
            report = json.loads(gzip.decompress(result.read_bytes()))
            # Names are relative to the folder of the compiler's run when ccache has a base folder.
            began_in = pathlib.Path(report.get("current_working_directory", "."))
            for entry in report["files"]:
                path = (began_in / entry["file"]).resolve()
                if not path.is_relative_to(source.ROOT):
                    continue
                name = path.relative_to(source.ROOT).as_posix()
                if source.is_product(name):
                    for line in entry["lines"]:
                        times[name][line["line_number"]] += line["count"]
    return times


def main(build):
    times = gather(build)
    if not times:
        print(f"{build}: no coverage data: build with WEIR_COVERAGE and run the tests first")
        return 1
    folders, gate, missed_in = collections.defaultdict(lambda: [0, 0]), [0, 0], []
    for name in sorted(times):
        run, due, missed = counted_lines(times[name], source.read(source.ROOT, name))
        for totals in (folders[str(pathlib.PurePosixPath(name).parent)], *([gate] if is_gated(name) else [])):
            totals[0] += run
            totals[1] += due
        if missed and is_gated(name):
            missed_in.append(f"  {name}: {', '.join(map(str, missed))}")
    for folder, (run, due) in sorted(folders.items()):
        print(f"{100 * run / max(due, 1):6.1f} %  {run:6}/{due:<6} {folder}/")
    share = 100 * gate[0] / max(gate[1], 1)
    print(f"gated parts: {share:.1f} % of {gate[1]} lines, at least {GATE:.0f} %")
    if share < GATE:
        print("not run:", *missed_in, sep="\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else source.ROOT / "build-coverage"))
