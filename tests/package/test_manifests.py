"""Goal: the Containerfile and the Kubernetes manifests are right as far as can be told without an engine or a cluster:
they are valid, agree with one another and with Weir, and what they run works. Method: their text, the configuration in
them checked by Weir, the health check's own command in front of a running Weir. Needs WEIR_BIN."""
import functools
import glob
import json
import os
import re
import subprocess
import tempfile
import unittest

import yaml

from harness import util

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ["WEIR_BIN"]


def manifests():
    found = {}
    for path in sorted(glob.glob(f"{TOP}/conf/kubernetes/*.yml")):
        with open(path) as text:
            for document in yaml.safe_load_all(text):
                found[document["kind"]] = document
    return found


def seconds(text):
    return float(re.fullmatch(r"(\d+)s?", str(text)).group(1))


class Kubernetes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.all = manifests()
        cls.pod = cls.all["Deployment"]["spec"]["template"]["spec"]
        cls.container, = cls.pod["containers"]
        cls.ini = cls.all["ConfigMap"]["data"]["weir.ini"]

    def option(self, name):
        return re.search(rf"(?m)^{name} = (.*)$", self.ini).group(1)

    def port(self, name):
        return next(port["containerPort"] for port in self.container["ports"] if port["name"] == name)

    def test_everything_is_listed_and_named_alike(self):
        with open(f"{TOP}/conf/kubernetes/kustomization.yml") as text:
            listed = yaml.safe_load(text)["resources"]
        here = {os.path.basename(path) for path in glob.glob(f"{TOP}/conf/kubernetes/*.yml")} - {"kustomization.yml"}
        self.assertEqual(set(listed), here)
        for kind, document in self.all.items():
            self.assertIn("apiVersion", document)
            if kind != "Kustomization":
                self.assertEqual(document["metadata"]["labels"]["app.kubernetes.io/name"], "weir")

    def test_selectors_find_the_pods(self):
        labels = self.all["Deployment"]["spec"]["template"]["metadata"]["labels"]
        for selector in (self.all["Deployment"]["spec"]["selector"]["matchLabels"], self.all["Service"]["spec"]["selector"],
                         self.all["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]):
            self.assertLessEqual(selector.items(), labels.items())
            self.assertTrue(selector)

    def test_volumes_and_files_are_those_that_the_configuration_names(self):
        volumes = {volume["name"]: volume for volume in self.pod["volumes"]}
        mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in self.container["volumeMounts"]}
        self.assertEqual(mounts["/etc/weir"]["configMap"]["name"], self.all["ConfigMap"]["metadata"]["name"])
        self.assertEqual(self.container["args"], ["/etc/weir/weir.ini"])
        folder, name = os.path.split(self.option("auth_file"))
        self.assertEqual(mounts[folder]["secret"]["secretName"], self.all["Secret"]["metadata"]["name"])
        self.assertEqual({name, os.path.basename(self.option("metrics_token_file"))}, set(self.all["Secret"]["stringData"]))
        self.assertEqual(os.path.dirname(self.option("metrics_token_file")), folder)
        self.assertIn("emptyDir", mounts[self.option("unix_socket_dir")])
        self.assertEqual(mounts[folder]["secret"]["defaultMode"] & 0o007, 0)

    def test_ports_agree(self):
        self.assertEqual(self.port("postgres"), int(self.option("listen_port")))
        self.assertEqual(self.port("metrics"), int(self.option("metrics_listen").rsplit(":", 1)[1]))
        self.assertEqual(self.all["Service"]["spec"]["ports"][0]["targetPort"], "postgres")
        for name, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
            self.assertEqual(self.container[name]["httpGet"], {"path": path, "port": "metrics"})
        annotations = self.all["Deployment"]["spec"]["template"]["metadata"]["annotations"]
        self.assertEqual(int(annotations["prometheus.io/port"]), self.port("metrics"))

    def test_an_update_drains(self):
        spec = self.all["Deployment"]["spec"]
        self.assertEqual(spec["strategy"]["rollingUpdate"], {"maxSurge": 1, "maxUnavailable": 0})
        self.assertGreaterEqual(spec["replicas"], 2)
        self.assertEqual(self.option("shutdown_drain"), "transaction")  # what SIGTERM then does
        with open(f"{TOP}/conf/package/Containerfile") as text:
            self.assertNotIn("\nSTOPSIGNAL", text.read())
        pause, = [seconds(word) for word in self.container["lifecycle"]["preStop"]["exec"]["command"][1:]]
        drain = seconds(self.option("shutdown_drain_time"))
        self.assertGreater(self.pod["terminationGracePeriodSeconds"], pause + drain)
        self.assertEqual(self.all["PodDisruptionBudget"]["spec"]["maxUnavailable"], 1)

    def test_no_privilege_is_left(self):
        pod, container = self.pod["securityContext"], self.container["securityContext"]
        self.assertTrue(pod["runAsNonRoot"])
        self.assertEqual(pod["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertFalse(container["allowPrivilegeEscalation"])
        self.assertTrue(container["readOnlyRootFilesystem"])
        self.assertEqual(container["capabilities"], {"drop": ["ALL"]})
        self.assertFalse(self.pod["automountServiceAccountToken"])
        with open(f"{TOP}/conf/package/Containerfile") as text:
            self.assertIn(f"USER {pod['runAsUser']}:{pod['runAsGroup']}\n", text.read())

    def test_as_many_workers_as_cores_are_allowed(self):
        self.assertEqual(self.option("workers"), self.container["resources"]["limits"]["cpu"])

    def test_the_configuration_has_no_fault(self):
        with tempfile.TemporaryDirectory(prefix="weir-manifest-") as folder:
            for name, text in self.all["Secret"]["stringData"].items():
                with open(f"{folder}/{name}", "w") as out:
                    out.write(text)
                os.chmod(f"{folder}/{name}", 0o440)
            with open(f"{folder}/weir.ini", "w") as out:
                there = {os.path.dirname(self.option("auth_file")), self.option("unix_socket_dir")}  # by the manifest's volumes
                out.write(functools.reduce(lambda text, mounted: text.replace(mounted, folder), there, self.ini))
            done = subprocess.run([BIN, "--check-config", f"{folder}/weir.ini"], capture_output=True, text=True)
            self.assertEqual(done.stdout, f"{folder}/weir.ini: no errors, no warnings\n")
            told = json.loads(subprocess.run([BIN, "--explain-config", "--json", f"{folder}/weir.ini"], capture_output=True,
                                             text=True, check=True).stdout)
            advice = {advice["id"] for advice in told["advice"]}
            # An example: its passwords, and a server whose certificate nobody can know here. A container logs to standard error.
            self.assertEqual(advice - {"plain-secrets", "log-nowhere", "clear-clients", "clear-servers", "many-workers", "open-files"}, set())


class Container(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(f"{TOP}/conf/package/Containerfile") as text:
            cls.text = text.read()

    def test_it_copies_what_is_there_and_builds_a_target_that_exists(self):
        for source in re.findall(r"(?m)^COPY (\S+) \S+$", self.text):
            self.assertTrue(os.path.exists(f"{TOP}/{source}"), source)
        groups = re.search(r"RUN tests/support/install_deps ([a-z ]+)", self.text).group(1).split()
        done = subprocess.run([f"{TOP}/tests/support/install_deps", "--list", *groups], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("--target weir-deb", self.text)
        self.assertEqual(re.findall(r"(?m)^FROM (\S+)", self.text), ["debian:12-slim"] * 2)

    def test_the_health_check_tells_a_process_that_answers_from_one_that_does_not(self):
        command = json.loads(re.search(r"(?m)^    CMD (\[.*\])$", self.text).group(1))
        port = util.free_port()
        command[-1] = command[-1].replace("/6432", f"/{port}")
        self.assertNotEqual(subprocess.run(command, capture_output=True).returncode, 0)
        with tempfile.TemporaryDirectory(prefix="weir-health-") as folder:
            with open(f"{folder}/weir.ini", "w") as out:
                out.write(f"[databases]\n* = host=127.0.0.1\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
                          f"unix_socket_dir =\nauth_type = trust\n")
            util.give_to_postgres(folder)
            weir = subprocess.Popen(util.tied([BIN, f"{folder}/weir.ini"]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                    **util.run_as())
            self.addCleanup(weir.wait, 60)
            self.addCleanup(weir.kill)
            util.wait_until(lambda: subprocess.run(command, capture_output=True).returncode == 0, 30, "the health check to be content")
            os.kill(weir.pid, 19)  # SIGSTOP: its port is open, nobody answers
            self.assertNotEqual(subprocess.run(command, capture_output=True).returncode, 0)
            os.kill(weir.pid, 18)
            self.assertEqual(subprocess.run(command, capture_output=True).returncode, 0)


if __name__ == "__main__":
    unittest.main()
