"""What it costs to be watched: bench/run --watched.

One Weir, the same load again and again, in turn left alone and watched: /metrics once a second, as Prometheus asks, and the status page
once a second, as a browser that shows it. What counts are the ratios within a round of CPU per transaction: of the workers, which are the data
path, and of the whole process.
"""

import pathlib
import re
import statistics
import threading
import time
import urllib.error
import urllib.request

import harness

PATHS = ("/metrics", "/")
PERIOD_S = 1.0


class Weir(harness.Weir):
    """With a port to be watched at."""

    def command(self):
        self.metrics_port = harness.free_port()
        extra = f"[weir]\nworkers = {self.workers}\nmetrics_listen = {self.metrics_port}\n"
        return [self.program, self.write_pooler_config(extra, **self.settings())]


class Watcher:
    """Asks for each path once a second, while it is entered."""

    def __init__(self, port):
        self.port, self.answers, self.missing = port, 0, set()
        self.over = threading.Event()

    def ask(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                answer.read()
            self.answers += 1
        except urllib.error.HTTPError:
            self.missing.add(path)

    def run(self):
        while True:
            began = time.monotonic()
            for path in PATHS:
                self.ask(path)
            if self.over.wait(max(0.0, PERIOD_S - (time.monotonic() - began))):
                return

    def __enter__(self):
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def cpu_ns_of_threads(pid):
    """(workers, all) of a Weir."""
    workers = everything = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        spent = int((task / "schedstat").read_text(encoding="utf-8").split()[0])
        everything += spent
        if re.fullmatch(r"weir-\d+\n", (task / "comm").read_text(encoding="utf-8")):
            workers += spent
    return workers, everything


def measure(load, weir, scenario, seconds):
    """CPU microseconds per transaction: (workers, all)."""
    before = cpu_ns_of_threads(weir.process.pid)
    result = load.measure(weir, scenario, seconds, 0)
    after = cpu_ns_of_threads(weir.process.pid)
    if result["errors"]:
        raise harness.BenchError(f"{result['errors']} errors: {result.get('message', '')}")
    return [(now - then) / 1e3 / result["transactions"] for then, now in zip(before, after)]


def measure_one_look(load, weir, scenario, looks=200):
    """CPU microseconds that asking once for everything costs (workers, all), with the scenario's clients there and idle: no load, so hardly any noise."""
    client = load.hold(weir, scenario, "--transactions", scenario.clients)
    load.go(client, weir)
    watcher = Watcher(weir.metrics_port)
    before = cpu_ns_of_threads(weir.process.pid)
    for _ in range(looks):
        for path in PATHS:
            watcher.ask(path)
    after = cpu_ns_of_threads(weir.process.pid)
    load.release(client)
    return [(now - then) / 1e3 / looks for then, now in zip(before, after)]


def run(load, weir, scenario, rounds, seconds):
    """Prints the ratios of each round and their medians; gives the medians."""
    load.measure(weir, scenario, 0.5, 0)
    print(f"\n{scenario.name}, {weir.name}: CPU us/txn of workers and of all, alone and watched")
    found = []
    watcher = None
    for number in range(rounds):
        figures = {}
        for is_watched in ((False, True) if number % 2 == 0 else (True, False)):
            if is_watched:
                with Watcher(weir.metrics_port) as watcher:
                    figures[True] = measure(load, weir, scenario, seconds)
            else:
                figures[False] = measure(load, weir, scenario, seconds)
        found.append([watched / alone for alone, watched in zip(figures[False], figures[True])])
        print("  " + "  ".join(f"{value:.2f}" for value in (*figures[False], *figures[True]))
              + "  x " + " ".join(f"{ratio:.3f}" for ratio in found[-1]))
    medians = [statistics.median(column) for column in zip(*found)]
    print(f"  watched / alone: workers {medians[0]:.3f}, process {medians[1]:.3f} (medians of {rounds})")
    workers, everything = measure_one_look(load, weir, scenario)
    print(f"  one look, without load: workers {workers:.0f} us, process {everything:.0f} us; once a second that is "
          f"{workers / 1e4 / weir.workers:.3f} % of a worker and {everything / 1e4:.2f} % of a core")
    if watcher and watcher.missing:
        print(f"  NOTE: not served: {', '.join(sorted(watcher.missing))}")
    return medians
