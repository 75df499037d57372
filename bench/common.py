"""What the benches share: starting servers on free ports, CPU time of processes, wrk, and tables."""
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HEDDLE = os.path.join(ROOT, "build", "heddle")
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss_mb(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024


def median(values):
    return statistics.median(values)


class Server:
    """`heddle serve` on a temporary folder; a context manager."""

    def __init__(self, *flags, env=None, data=None, cpus=None):
        self.keep = data is not None
        self.data = data or tempfile.mkdtemp(prefix="heddle-bench-")
        command = [HEDDLE, "serve", "--listen", "127.0.0.1:0", "--data", self.data, *flags]
        if cpus is not None and shutil.which("taskset"):
            command = ["taskset", "-c", str(cpus)] + command
        environment = {**os.environ, "HEDDLE_EGRESS_ALLOW": "private", "HEDDLE_LOG_LEVEL": "warn", **(env or {})}
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        line = self.process.stdout.readline()
        self.ready_ms = (time.monotonic() - self.started) * 1000
        if not line.startswith("ready "):
            raise RuntimeError("the server did not start: %r" % line)
        self.url = line.split()[1]
        self.flags = flags
        self.key = None

    @property
    def pid(self):
        return self.process.pid

    def make_key(self):
        database = [f for i, f in enumerate(self.flags) if f == "--database" or self.flags[i - 1] == "--database"]
        out = subprocess.run([HEDDLE, "key", "create", "--data", self.data, "--name", "bench", *database],
                             stdout=subprocess.PIPE, check=True, text=True)
        self.key = out.stdout.strip()
        return self.key

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"authorization": "Bearer " + (self.key or self.make_key()),
                                                  "content-type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        if not self.keep:
            shutil.rmtree(self.data, ignore_errors=True)


def wrk(url, connections, seconds, script=None, cpus=None):
    """One run of wrk: requests a second and the count of answers that were not 2xx."""
    command = ["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--latency"]
    if script:
        command += ["-s", script]
    if cpus is not None and shutil.which("taskset"):
        command = ["taskset", "-c", str(cpus)] + command
    out = subprocess.run(command + [url], stdout=subprocess.PIPE, check=True, text=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return {"rps": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
            "p50": re.search(r"^\s*50%\s+(\S+)", out, re.M).group(1),
            "p99": re.search(r"^\s*99%\s+(\S+)", out, re.M).group(1),
            "requests": int(re.search(r"(\d+) requests in", out).group(1)),
            "bad": int(bad.group(1)) if bad else 0}


def machine():
    model = "unknown"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo") as f:
        memory = int(f.readline().split()[1]) // (1 << 20)
    return "%d cores (%s), %d GiB, kernel %s, load %.1f" % (os.cpu_count(), model, memory, os.uname().release,
                                                          os.getloadavg()[0])


class Table:
    """Rows of what was measured, the bar it is held to, and whether it holds."""

    def __init__(self, title, note=""):
        self.title, self.note, self.rows = title, note, []

    def add(self, what, measured, bar="", holds=None):
        self.rows.append((what, measured, bar, {True: "yes", False: "**no**", None: ""}[holds]))
        print("  %-58s %-34s %-26s %s" % self.rows[-1], flush=True)

    def markdown(self):
        lines = ["### " + self.title, ""]
        if self.note:
            lines += [self.note, ""]
        lines += ["| what | measured | bar | holds |", "|---|---|---|---|"]
        lines += ["| %s | %s | %s | %s |" % row for row in self.rows]
        return "\n".join(lines) + "\n"


def floor(seconds=2):
    """The machine's own limits, measured now (bench_floor)."""
    with tempfile.TemporaryDirectory(prefix="heddle-floor-") as folder:
        out = subprocess.run([os.path.join(ROOT, "build", "bench_floor"), folder, str(seconds)],
                             stdout=subprocess.PIPE, check=True, text=True).stdout
    return json.loads(out)
