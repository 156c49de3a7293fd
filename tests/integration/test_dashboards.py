"""conf/grafana and conf/prometheus: a real Prometheus scrapes a loaded Weir, and every expression of panels and rules has an answer there."""
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import unittest
import urllib.parse
import urllib.request

from harness.case import beyond_pgbouncer, wait_until
from harness.metrics import Metrics, scrape
from harness.postgres import bindir
from harness.tls import Authority, TlsWire, client_context
from harness.util import SLOW, free_port, give_to_postgres, run_as, tied
import test_backends

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RULES = f"{ROOT}/conf/prometheus/weir.rules.yml"
BOARDS = sorted(glob.glob(f"{ROOT}/conf/grafana/*.json"))
VARIABLES = {"job": "weir", "__rate_interval": "20s", "__interval": "20s"}  # all others are "All"
LIMIT = {"at": "transaction", "key": "user", "rate": "100000/s"}
COMPARED = re.compile(r"^(.*) (==|!=|>|<|>=|<=) ([0-9.]+)$", re.S)


def known_metrics():
    """name -> kind, as the golden list has them."""
    with open(f"{ROOT}/tests/golden/metrics.txt") as f:
        return dict(line.split()[:2] for line in f)


def panels(board):
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", ())


class Prometheus:
    """Scrapes the port once a second, with the rules."""
    def __init__(self, scraped):
        self.port, self.dir = free_port(), tempfile.mkdtemp(prefix="weir-prometheus-")
        shutil.copy(RULES, self.dir)
        with open(f"{self.dir}/prometheus.yml", "w") as f:
            json.dump({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": ["weir.rules.yml"],
                       "scrape_configs": [{"job_name": "weir", "static_configs": [{"targets": [f"127.0.0.1:{scraped}"]}]}]}, f)
        for path in (self.dir, f"{self.dir}/prometheus.yml", f"{self.dir}/weir.rules.yml"):
            give_to_postgres(path)
        self.log = open(f"{self.dir}/log", "wb")
        self.proc = subprocess.Popen(tied(["prometheus", f"--config.file={self.dir}/prometheus.yml", f"--storage.tsdb.path={self.dir}/data",
                                           f"--web.listen-address=127.0.0.1:{self.port}"]), stdout=self.log, stderr=self.log, cwd=self.dir, **run_as())

    def ask(self, path, **parameters):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=30) as answer:
            return json.load(answer)["data"]

    def values(self, expression):
        return [float(one["value"][1]) for one in self.ask("query", query=expression)["result"]]

    def is_up(self):
        if self.proc.poll() is not None:
            with open(f"{self.dir}/log") as f:
                raise AssertionError(f"Prometheus has ended:\n{f.read()[-3000:]}")
        try:
            return self.values('up{job="weir"}') == [1.0]
        except OSError:
            return False

    def stop(self):
        self.proc.terminate()
        self.proc.wait(30)
        self.log.close()
        shutil.rmtree(self.dir)


def filled_in(expression):
    return re.sub(r"\$\{?(\w+)\}?", lambda m: VARIABLES.get(m.group(1), ".*"), expression)


@beyond_pgbouncer
class Dashboards(test_backends.Backends):
    def start(self, **more):
        self.scraped = free_port()
        authority = Authority()
        self.addCleanup(authority.remove)
        authority.issue("server", "localhost", ("DNS:localhost", "IP:127.0.0.1"))
        self.context = client_context()
        super().start(weir={"metrics_listen": self.scraped, "auth_failures_max": 5}, client_tls_sslmode="allow", client_tls_cert_file=authority.path("server.crt"),
                      client_tls_key_file=authority.path("server.key"), max_prepared_statements=50, server_lifetime=1, limits={"crowd": LIMIT})

    def bench(self, *flags):
        """pgbench until the test is over."""
        script = f"{self.weir.dir}/select.sql"
        with open(script, "w") as f:
            f.write("select 1;\n")
        run = subprocess.Popen(tied([f"{bindir()}/pgbench", "-n", "-c", "2", "-j", "2", "-T", str(int(600 * SLOW)), "-R", "200", "-f", script, *flags, "-h", "127.0.0.1",
                                     "-p", str(self.weir.port), "-U", "app", "rw"]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(run.wait)
        self.addCleanup(run.kill)

    def keep_busy(self):
        """Work of every kind, all the time."""
        self.bench("-M", "prepared")
        self.bench("-M", "simple", "-C")
        over = threading.Event()

        def misbehave():
            while not over.wait(0.2):
                with TlsWire("127.0.0.1", self.weir.port, self.context).login("app", "rw") as client:
                    client.run("select 1/0")
        thread = threading.Thread(target=misbehave)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(over.set)

    def wait_answer(self, prometheus, expression):
        def answered():
            values = prometheus.values(expression)
            return values and all(v == v for v in values)
        wait_until(answered, 60, f"data for {expression}", interval=0.2)

    def test_every_expression_has_data(self):
        self.start()
        self.keep_busy()
        prometheus = Prometheus(self.scraped)
        self.addCleanup(prometheus.stop)
        wait_until(prometheus.is_up, 60, "the first scrape")
        for path in BOARDS:
            with open(path) as f:
                board = json.load(f)
            with self.subTest(board=board["title"]):
                for panel in panels(board):
                    for target in panel.get("targets", ()):
                        self.wait_answer(prometheus, filled_in(target["expr"]))
                for variable in board["templating"]["list"]:
                    if variable["type"] == "query":
                        series, label = re.match(r"label_values\((.*), (\w+)\)$", variable["definition"], re.S).groups()
                        self.wait_answer(prometheus, f"count by ({label}) ({filled_in(series)})")
        rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        self.assertGreater(len(rules), 30)
        for rule in rules:
            wait_until(lambda: self.health_of(prometheus, rule["name"]) == "ok", 30, f"{rule['name']} to be evaluated")
            if rule["type"] == "recording":
                self.wait_answer(prometheus, rule["name"])
            else:
                self.wait_answer(prometheus, COMPARED.match(rule["query"]).group(1))

    def health_of(self, prometheus, name):
        return [rule["health"] for group in prometheus.ask("rules")["groups"] for rule in group["rules"] if rule["name"] == name][0]

    def test_every_metric_is_served_and_promtool_agrees(self):
        self.start()
        self.keep_busy()
        known = known_metrics()

        def missing():
            families = dict(re.findall(r"^# TYPE (\S+) (\S+)$", scrape(self.scraped), re.M))
            return known.items() - families.items()
        wait_until(lambda: not missing(), 30, "every metric to be there")
        text = scrape(self.scraped)
        self.assertEqual(set(re.findall(r"^# TYPE (\S+) ", text, re.M)), set(known))
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60 * SLOW)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertEqual(Metrics(self.scraped).sum("weir_backend_info"), 3)


class Files(unittest.TestCase):
    """What needs no Weir."""

    def test_rules(self):
        for command in (["check", "rules", RULES], ["test", "rules", RULES.replace(".yml", ".test.yml")]):
            done = subprocess.run(["promtool", *command], capture_output=True, text=True, timeout=60 * SLOW)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_boards_are_of_a_piece(self):
        uids = set()
        known = known_metrics()
        told = set()
        for path in BOARDS:
            with open(path) as f:
                board = json.load(f)
            self.assertEqual(os.path.basename(path), f"{board['uid']}.json")
            self.assertNotIn(board["uid"], uids)
            uids.add(board["uid"])
            ids = [panel["id"] for panel in panels(board)]
            self.assertEqual(len(ids), len(set(ids)))
            taken = set()
            for panel in panels(board):
                place = panel["gridPos"]
                cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
                self.assertFalse(cells & taken, panel["title"])
                self.assertLessEqual(place["x"] + place["w"], 24)
                taken |= cells
                for target in panel.get("targets", ()):
                    told |= self.metrics_in(target["expr"], known)
        with open(RULES) as f:
            told |= self.metrics_in(f.read(), known)
        self.assertEqual(told, set(known), "each metric is shown or looked at by a rule")

    def metrics_in(self, text, known):
        out = set()
        for name in re.findall(r"\b(?:weir|process)_[a-z_]+\b(?!\.)", re.sub(r"weir:[a-z0-9_:]+", "", text)):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            if known.get(base) == "histogram":
                out.add(base)
            elif name in known:
                out.add(name)
            else:
                self.assertNotRegex(name, "_(total|seconds|bytes|ratio)$", f"no such metric: {name}")
        return out
