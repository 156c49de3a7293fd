#!/usr/bin/python3
"""Integration tests: the pooler against a real PostgreSQL, with real drivers.

  run_all.py --weir build/weir [--subset full|tsan|asan] [-k PATTERN] [--workers N] [-f]

Prints one line per test with its time; the last line is `N passed, N failed`. README.md beside this file has the rest.
"""
import argparse
import fnmatch
import importlib
import os
import pathlib
import signal
import sys
import time
import traceback
import unittest

HERE = pathlib.Path(__file__).resolve().parent
MODULES = ("rig", "backends", "backends_console", "split", "read_only_proof", "pooling", "parameters", "prepared", "copy", "cancel", "faults", "malformed", "auth", "console", "config", "leaks", "rate_limits", "drivers", "storm")


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--weir", default=os.environ.get("WEIR_BIN"), help="the program to test (or WEIR_BIN)")
    p.add_argument("--subset", choices=("full", "tsan", "asan"), default="full", help="the shorter runs also stretch every time limit")
    p.add_argument("-k", dest="pattern", action="append", default=[], help="run only tests whose module.Class.test holds this (or matches it as a glob)")
    p.add_argument("--workers", type=int, help="workers of the pooler (default 2, or WEIR_WORKERS)")
    p.add_argument("-f", "--failfast", action="store_true", help="stop at the first failure")
    p.add_argument("--list", action="store_true", help="only print the names")
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


def chosen(test, args):
    if args.subset != "full":
        method = getattr(test, test._testMethodName, None)
        marks = getattr(method, "subsets", None) or getattr(type(test), "subsets", ())
        if args.subset not in marks:
            return False
    return not args.pattern or any(p in name_of(test) or fnmatch.fnmatch(name_of(test), p) for p in args.pattern)


def main():
    args = arguments()
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
            if not (HERE / f"test_{module}.py").exists():
                continue
            loaded = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(f"test_{module}"))
            suite = unittest.TestSuite(t for t in flatten(loaded) if chosen(t, args))
            if args.list:
                print("\n".join(name_of(t) for t in suite))
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
    return 0 if result.failed == 0 and result.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
