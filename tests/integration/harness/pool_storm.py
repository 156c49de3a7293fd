"""Runs PoolStorm.java: a HikariCP pool against the pooler. Needs Debian's libhikaricp-java, libpostgresql-jdbc-java, libslf4j-java and a JDK."""
import pathlib
import subprocess
import tempfile

from .util import SLOW

HERE = pathlib.Path(__file__).resolve().parent
JARS = ":".join(f"/usr/share/java/{name}.jar" for name in ("HikariCP", "postgresql", "slf4j-api", "slf4j-nop"))


def run(weir, seconds, size=8):
    """The counts that it prints. A connection counts as created or closed only while the storm lasts, but for the `size` that are there before."""
    with tempfile.TemporaryDirectory(prefix="weir-hikari-") as folder:
        subprocess.run(["javac", "-cp", JARS, "-d", folder, HERE / "PoolStorm.java"], check=True, timeout=300 * SLOW)
        url = f"jdbc:postgresql://{weir.host}:{weir.port}/app?sslmode=disable"
        done = subprocess.run(["java", "-XX:+UseSerialGC", "-Xmx128m", "-Dcom.zaxxer.hikari.aliveBypassWindowMs=200", "-cp", f"{JARS}:{folder}", "PoolStorm",
                               url, "app", str(seconds), str(size)], capture_output=True, text=True, timeout=(seconds + 300) * SLOW)
    if done.returncode != 0:
        raise AssertionError(f"PoolStorm ended with {done.returncode}:\n{done.stdout}\n{done.stderr[-4000:]}")
    counts = {name: int(number) for name, number in (line.split("=") for line in done.stdout.split())}
    counts["stderr"] = done.stderr[-2000:]
    return counts
