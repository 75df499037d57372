"""What the benches share: starting servers on free ports, CPU time of processes, wrk, and tables."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections import Counter

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


def tree(pid):
    """A process and all below it."""
    pids, at = [pid], 0
    while at < len(pids):
        for task in os.listdir("/proc/%d/task" % pids[at]):
            try:
                with open("/proc/%d/task/%s/children" % (pids[at], task)) as f:
                    pids += [int(p) for p in f.read().split()]
            except FileNotFoundError:
                pass
        at += 1
    return pids


def cpu_us(*pids):
    """CPU time of all threads of these processes, finer than by ticks."""
    total = 0
    for pid in pids:
        for task in os.listdir("/proc/%d/task" % pid):
            try:
                with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
                    total += int(f.read().split()[0])
            except FileNotFoundError:
                pass
    return total / 1000


def rss_mb(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024


def median(values):
    return statistics.median(values)


class Postgres:
    """A throw-away PostgreSQL server (tools/with_pg.sh); a context manager."""

    def __enter__(self):
        self.process = subprocess.Popen(
            [os.path.join(ROOT, "tools", "with_pg.sh"), "sh", "-c", 'echo "$HEDDLE_TEST_PG"; cat'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("there is no PostgreSQL on this machine")
        self.folder = re.search(r"host=([^&]+)", self.url).group(1)
        with open(os.path.join(self.folder, "data", "postmaster.pid"), encoding="ascii") as f:
            self.pid = int(f.readline())
        return self

    def sql(self, text):
        """What psql prints, unaligned; raises on an error."""
        out = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.url, "-f", "-"], input=text,
                             stdout=subprocess.PIPE, check=True, text=True)
        return out.stdout.strip()

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(60)


class Sqlite:
    """The same for the database in a server's folder."""
    url = None
    pid = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def query(server, database, text):
    """The rows of a query beside a server, and what changes there are for good."""
    if database.url:
        return [tuple(line.split("|")) for line in database.sql(text).splitlines()]
    with contextlib.closing(sqlite3.connect(os.path.join(server.data, "heddle.db"), timeout=60)) as db, db:
        return db.execute(text).fetchall()


def number(server, database, text):
    return float(query(server, database, text)[0][0] or 0)


def id_column(database, name="id"):
    """An id as 32 hexadecimal digits, on either database."""
    return "replace(%s::text, '-', '')" % name if database.url else "lower(hex(%s))" % name


def flags_of(database):
    return ["--database", database.url] if database.url else []


DATABASES = (("SQLite FULL", Sqlite), ("PostgreSQL", Postgres))


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
            text = answer.read()
            return json.loads(text) if text else None

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


class Upstream:
    """nginx that answers @fails requests of a hundred with 500, and logs of each its status and its key."""

    def __init__(self, fails=1):
        self.fails = fails

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="heddle-fanout-")
        self.port = free_port()
        conf = os.path.join(self.folder, "nginx.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write("""daemon off; master_process off; pid %(d)s/pid; error_log /dev/null;
events { worker_connections 2000; }
http {
  log_format lean '$status $http_idempotency_key'; access_log %(d)s/log lean; keepalive_requests 1000000;
  client_body_temp_path %(d)s/a; proxy_temp_path %(d)s/b; fastcgi_temp_path %(d)s/c; uwsgi_temp_path %(d)s/e; scgi_temp_path %(d)s/f;
  split_clients $request_id $fails { %(f)s * 0; }
  server { listen 127.0.0.1:%(p)d; default_type application/json;
    location / { if ($fails) { return 500 '{}'; } return 200 '{"ok":true}'; } }
}""" % {"d": self.folder, "p": self.port,
                            "f": "%d%% 1;" % self.fails if self.fails else ""})
        self.process = subprocess.Popen(["nginx", "-c", conf, "-p", self.folder, "-e", "/dev/null"])
        self.url = "http://127.0.0.1:%d/" % self.port
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        raise RuntimeError("nginx did not start")

    def connections(self):
        """How many there are to it now."""
        with open("/proc/net/tcp", encoding="ascii") as f:
            rows = [line.split() for line in f.readlines()[1:]]
        return sum(1 for row in rows if int(row[2].split(":")[1], 16) == self.port and row[3] == "01")

    def statuses(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8") as f:
            return Counter(line.split()[0] for line in f)

    def keys(self):
        """How often each key came."""
        with open(os.path.join(self.folder, "log"), encoding="utf-8") as f:
            return Counter(line.split()[1] for line in f)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


class Peak:
    """The most that something comes to while something else runs."""

    def __init__(self, look):
        self.look, self.over = look, threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.over.wait(0.01):
            self.most = max(self.most, self.look())

    def __enter__(self):
        self.before = self.most = self.look()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.most = max(self.most, self.look())


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
