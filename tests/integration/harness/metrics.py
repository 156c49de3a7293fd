"""What metrics_listen serves at /metrics, as numbers.

    m = Metrics(weir.metrics_port)              # one scrape
    m.value("weir_pool_queries_total", database="app")      # the one series whose labels hold these; a KeyError else
    m.sum("weir_pool_clients", state="idle")    # of all of them
"""
import re
import urllib.request

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?')


def scrape(port, path="/metrics", timeout=30):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout) as answer:
        return answer.read().decode()


class Metrics:
    def __init__(self, port):
        self.text = scrape(port)
        self.samples = []  # name, labels, value
        for line in self.text.splitlines():
            if line and not line.startswith("#"):
                name, labels, value = SAMPLE.match(line).groups()
                self.samples.append((name, dict(LABEL.findall(labels or "")), float(value)))

    def all(self, name, **labels):
        return [(has, value) for sample, has, value in self.samples if sample == name and labels.items() <= has.items()]

    def value(self, name, **labels):
        found = self.all(name, **labels)
        if len(found) != 1:
            raise KeyError(f"{name} {labels}: {found}")
        return found[0][1]

    def sum(self, name, **labels):
        return sum(value for _, value in self.all(name, **labels))
