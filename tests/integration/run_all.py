#!/usr/bin/python3
"""Integration tests: the pooler against a real PostgreSQL, with real drivers.

  run_all.py --weir build/weir [--subset full|tsan|asan] [-k PATTERN] [--workers N] [-f] [--side-by-side]

Prints one line per test with its time; the last line is `N passed, N failed`. README.md beside this file has the rest.
"""
import argparse
import fnmatch
import importlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
import unittest

HERE = pathlib.Path(__file__).resolve().parent
# Beginnings of names; the longest that fits says in which lane a test is. Those of many backends wait more than they work.
LANES = (("pooling.", "folding.", "parameters.", "replication_clients.", "prepared.", "copy.", "arrivals.", "cancel.", "faults.", "malformed.", "auth.", "hba.", "auth_query.", "tls.", "console.", "console_commands.", "console_set.", "console_shows.", "console_tools.", "show_people.", "audit.", "config.", "life_cycle.", "network.", "peers.", "insight.", "top.", "rate_limits.", "page.", "log.", "dns.", "notices.", "many_pools.", "metrics.", "drivers.", "tools.", "storm."),
         ("backends.F", "leaks.", "http.", "reuseport.", "pool_sizes.", "pam.", "ldap."),
         ("rig.", "backends.", "backends_console.", "split.", "explain_route.", "read_only_proof.", "dashboards.", "takeover."))
MODULES = tuple(dict.fromkeys(begin.split(".")[0] for lane in LANES for begin in lane))


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--weir", default=os.environ.get("WEIR_BIN"), help="the program to test (or WEIR_BIN)")
    p.add_argument("--subset", choices=("full", "tsan", "asan"), default="full", help="the shorter runs also stretch every time limit")
    p.add_argument("-k", dest="pattern", action="append", default=[], help="run only tests whose module.Class.test holds this (or matches it as a glob)")
    p.add_argument("--workers", type=int, help="workers of the pooler (default 2, or WEIR_WORKERS)")
    p.add_argument("-f", "--failfast", action="store_true", help="stop at the first failure")
    p.add_argument("--list", action="store_true", help="only print the names")
    p.add_argument("--side-by-side", action="store_true", help="run the lanes at the same time, each with clusters of its own")
    p.add_argument("--lane", type=int, choices=range(len(LANES)), help="run only this lane")
    return p.parse_args()


class Result(unittest.TestResult):
    """Prints each test as it ends; failures of class set-up or clean-up count as failures of their own."""

    def __init__(self, failfast):
        super().__init__()
        self.failfast, self.passed, self.failed, self.skipped_count, self.started, self.bad = failfast, 0, 0, 0, 0.0, False

    def startTest(self, test):
        super().startTest(test)
        self.started, self.bad = time.monotonic(), False

    def line(self, word, test, seconds):
        print(f"{word:4} {seconds:6.2f}s  {name_of(test)}", flush=True)

    def stopTest(self, test):
        super().stopTest(test)
        if self.bad is None:
            return
        seconds = time.monotonic() - self.started
        if self.bad:
            self.failed += 1
        else:
            self.passed += 1
        self.line("FAIL" if self.bad else "ok", test, seconds)

    def problem(self, test, error):
        print("".join(traceback.format_exception(*error)).rstrip(), flush=True)
        if isinstance(test, unittest.TestCase):
            self.bad = True
        else:
            self.failed += 1
            self.line("FAIL", test, 0)
        if self.failfast:
            self.stop()

    addError = addFailure = problem

    def addSubTest(self, test, subtest, error):
        if error:
            print(f"in {subtest}", flush=True)
            self.problem(test, error)

    def addSkip(self, test, reason):
        self.skipped_count += 1
        self.bad = None
        print(f"skip   0.00s  {name_of(test)} ({reason})", flush=True)


def name_of(test):
    return test.id().removeprefix("test_") if hasattr(test, "id") else str(test)


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def lane_of(name):
    return max((begin, i) for i, lane in enumerate(LANES) for begin in lane if name.startswith(begin))[1]


def chosen(test, args):
    if args.lane is not None and lane_of(name_of(test)) != args.lane:
        return False
    if args.subset != "full":
        method = getattr(test, test._testMethodName, None)
        marks = getattr(method, "subsets", None) or getattr(type(test), "subsets", ())
        if args.subset not in marks:
            return False
    return not args.pattern or any(p in name_of(test) or fnmatch.fnmatch(name_of(test), p) for p in args.pattern)


def run_lanes(arguments):
    """Each lane in a process of its own; lines come as they end, the numbers are added up."""
    lanes = [subprocess.Popen([sys.executable, __file__, *arguments, "--lane", str(i)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
             for i in range(len(LANES))]
    counts, began = [], time.monotonic()

    def copy(lane):
        text = []  # of a test: printed whole, with its verdict
        for line in lane.stdout:
            closing = re.match(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", line)
            if closing:
                counts.append([int(n or 0) for n in closing.groups()])
            elif not line.startswith("took "):
                text.append(line)
            if re.match(r"(ok|FAIL|skip) ", line):
                print("".join(text), end="", flush=True)
                text = []
        print("".join(text), end="", flush=True)

    copiers = [threading.Thread(target=copy, args=[lane]) for lane in lanes]
    try:
        for c in copiers:
            c.start()
        for c in copiers:
            c.join()
    finally:
        for lane in lanes:
            if lane.poll() is None:
                lane.terminate()
    statuses = [lane.wait() for lane in lanes]
    passed, failed, skipped = map(sum, zip(*counts)) if counts else (0, 0, 0)
    failed += len(lanes) - len(counts)  # died without a word
    print(f"took {time.monotonic() - began:.0f} s")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if not any(statuses) and not failed and passed else 1


def main():
    args = arguments()
    if args.side_by_side:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        return run_lanes([a for a in sys.argv[1:] if a != "--side-by-side"])
    if args.weir:
        os.environ["WEIR_BIN"] = os.path.abspath(args.weir)
        if not args.list and not os.access(args.weir, os.X_OK):
            sys.exit(f"{args.weir} is not a program")
    elif not args.list:
        sys.exit("give --weir PATH (or WEIR_BIN)")
    if args.workers:
        os.environ["WEIR_WORKERS"] = str(args.workers)
    if args.subset != "full":
        os.environ.setdefault("WEIR_SLOW", "5")
    sys.path.insert(0, str(HERE))
    from harness import case
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # KeyboardInterrupt: clean up on the way out
    result, began = Result(args.failfast), time.monotonic()
    try:
        for module in MODULES:
            loaded = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(f"test_{module}"))
            suite = unittest.TestSuite(t for t in flatten(loaded) if chosen(t, args))
            if args.list:
                for test in suite:
                    print(name_of(test))
                continue
            suite.run(result)
            if result.shouldStop:
                break
    finally:
        case.stop_clusters()
    if args.list:
        return 0
    skipped = f", {result.skipped_count} skipped" if result.skipped_count else ""
    print(f"took {time.monotonic() - began:.0f} s")
    print(f"{result.passed} passed, {result.failed} failed{skipped}")
    return 0 if result.failed == 0 and (result.passed > 0 or args.lane is not None) else 1


if __name__ == "__main__":
    sys.exit(main())
