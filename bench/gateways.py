"""The model gateway beside nginx, HAProxy, Caddy and Portkey, in one run.

What installs and drives them is not part of this project: a folder of scripts, `setup.sh` and `run.sh ROUNDS`, with
the folder of what they install in WORK, named by BENCH_GATEWAYS or found beside the checkout as shared/bench/gateway.
Without it, or where one does not install, the row says so. GATEWAYS_DIR keeps what was installed for the next time.

Heddle joins as their target `extra`, prepared here: a key that is held to limits, a route for each model, prices of
both, a record of each call. Their clients send a key of their own, so ours is given its hash.
"""
import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import threading

import common
from common import ROOT, Server, Table, median, rss_mb, tree
from peers import shell

KEY, UPSTREAM = "sk-test", "http://127.0.0.1:18100/v1"  # as the scripts have them
MODELS = ("mock-8-0-0", "mock-200-20-0")
# The name of each target of the scripts, its port there, and a word of its command line.
TARGETS = {"extra": ("Heddle", "18106", "heddle serve"), "nginx": ("nginx", "18101", "nginx"),
           "haproxy": ("HAProxy", "18102", "haproxy.cfg"), "caddy": ("Caddy", "18103", "Caddyfile"),
           "portkey": ("Portkey", "18104", "@portkey-ai")}
ROUNDS = os.environ.get("ROUNDS", "2")
SECONDS = os.environ.get("SECONDS_EACH", "2")


def scripts():
    places = [os.environ.get("BENCH_GATEWAYS", ""), os.path.join(os.path.dirname(ROOT), "shared", "bench", "gateway")]
    return next((p for p in places if p and os.path.isdir(p)), None)


def environment(**more):
    return {**os.environ, "OPENAI_BASE_URL": UPSTREAM, "OPENAI_API_KEY": "sk-bench", "HEDDLE_SHARDS": "1",
            "HEDDLE_EGRESS_ALLOW": "private", "HEDDLE_LOG_LEVEL": "warn", **more}


def prepare(folder):
    """A folder of data for Heddle: the key, its limits, routes and prices."""
    with Server(data=folder, env=environment()) as server:
        server.make_key()
        key = server.call("GET", "/api/keys")["items"][0]["id"]
        server.call("PUT", "/api/keys/%s/limits" % key, {"limits": {
            "requests": {"day": 10 ** 12}, "tokens": {"day": 10 ** 15}, "cost_micros": {"month": 10 ** 15}}})
        for model in MODELS:
            server.call("POST", "/api/routes", {"name": model, "targets": [{"provider": "openai", "model": model}]})
            server.call("PUT", "/api/prices", {"provider": "openai", "model": model,
                                               "price": {"input": 150000, "output": 600000}})
    db = sqlite3.connect(os.path.join(folder, "heddle.db"))
    with db:
        db.execute("UPDATE api_key SET hash = ?", (hashlib.blake2b(KEY.encode(), digest_size=32).digest(),))
    db.close()


def words(pid):
    with open("/proc/%d/cmdline" % pid, "rb") as f:
        return f.read().replace(b"\0", b" ").decode(errors="replace")


class Memory:
    """The most resident memory of each gateway while it carries the streams; a context manager."""

    def __init__(self):
        self.most, self.over = {}, threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def look(self):
        lines = {pid: words(pid) for pid in tree(os.getpid())}
        load = next((line for line in lines.values() if line.startswith("./load stream ")), None)
        for target, (_, port, word) in TARGETS.items():
            if load and load.split()[2] == port:
                first = next(pid for pid, line in lines.items() if word in line)
                self.most[target] = max(self.most.get(target, 0), sum(rss_mb(pid) for pid in tree(first)))

    def watch(self):
        while not self.over.wait(0.25):
            try:
                self.look()
            except (OSError, AttributeError, StopIteration):
                continue  # a process ended meanwhile

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def missing(place):
    """The targets that are not installed."""
    there = {t: shutil.which(t) for t in ("nginx", "haproxy", "caddy")}
    there["portkey"] = os.path.isdir(os.path.join(place, "node_modules", "@portkey-ai", "gateway"))
    return [t for t, found in there.items() if not found]


def run(folder, place, data):
    """{(target, test): [what the scripts say of a round, ...]} and the memory of each."""
    problem = None
    try:
        shell("setup", {**os.environ, "WORK": place}, os.path.join(folder, "setup.sh"))
    except RuntimeError as e:
        problem = e
    if not all(os.path.exists(os.path.join(place, program)) for program in ("mock", "load")):
        raise problem or RuntimeError("there is no mock")
    prepare(data)
    out = os.path.join(data, "results.jsonl")
    gone = missing(place)
    with Memory() as memory:
        shell("run", environment(
            WORK=place, OUT=out, SECS=SECONDS, HEDDLE_DATA=data, HEDDLE_LISTEN="127.0.0.1:18106",
            EXTRA_CMD=common.HEDDLE + " serve", TARGETS=" ".join(t for t in ("direct", *TARGETS) if t not in gone)),
            "sh", "-c", '"$0" "$1"; test -s "$OUT"', os.path.join(folder, "run.sh"), ROUNDS)  # its status says nothing
    rows = {}
    with open(out, encoding="utf-8") as f:
        for row in map(json.loads, f):
            if row["res"]:
                rows.setdefault((row["target"], row["test"]), []).append(row)
    return rows, memory.most


def check(rows):
    """Whatever Heddle refused would have been cheap."""
    for (target, test), got in rows.items():
        for row in got if target == "extra" else []:
            if row["res"].get("err") or row["res"].get("bad") or row["res"].get("unfinished"):
                raise RuntimeError("%s: Heddle failed: %r" % (test, row["res"]))


def compare(table, what, unit, values, bar=None, over=None):
    """One row: ours beside all others, and against a bar of @bar times nginx's, or nginx's and @over."""
    ours, theirs = values.get("extra"), values.get("nginx")
    texts = ["%s %s" % (TARGETS[t][0], unit % values[t] if t in values else "not measured") for t in TARGETS]
    if bar and ours and theirs:
        texts[0] += " (%.2f x nginx)" % (ours / theirs)
    limit = theirs and (theirs * bar if bar else theirs + over if over is not None else None)
    table.add(what, ", ".join(texts), "" if not limit else "<= %s x nginx" % bar if bar else "<= nginx + " + unit % over,
              ours <= limit if ours and limit else None)


def fill(table, rows, memory):
    def values(test, get):
        return {t: median([get(r) for r in rows[t, test]]) for t in ("direct", *TARGETS) if (t, test) in rows}

    def added(test, get):
        got = values(test, get)
        return {t: v - got["direct"] for t, v in got.items()}

    def cpu(count):
        return lambda row: row["cpu_s"] * 1e6 / max(1, row["res"][count])

    compare(table, "CPU for each request of 1 KB", "%.1f us", values("c64_1k", cpu("req")), bar=1.5)
    compare(table, "CPU for each request of 32 KB", "%.1f us", values("c64_32k", cpu("req")), bar=1.3)
    compare(table, "requests of 1 KB, 64 connections", "%.0f/s", values("c64_1k", lambda r: r["res"]["rps"]))
    compare(table, "latency added, one connection, p50", "%.0f us", added("c1_1k", lambda r: r["res"]["p50_us"]), over=40)
    compare(table, "CPU for each streamed token, 1,000 streams", "%.1f us", values("s1000", cpu("tokens")), bar=1.3)
    compare(table, "time to the first token added, p50", "%.2f ms",
            added("s1000", lambda r: (r["res"]["ttft_us"] or {"p50": 0})["p50"] / 1000), over=0.3)
    compare(table, "delay of each token from the model to the client added, p99", "%.2f ms",
            added("s1000", lambda r: (r["res"]["hop_us"] or {"p99": 0})["p99"] / 1000))
    compare(table, "streams of 200 tokens that came whole, of 1,000", "%.0f", values("s1000", lambda r: r["res"]["ok"]))
    compare(table, "memory at most with 1,000 streams", "%.1f MB", memory)
    if "extra" in memory:
        table.add("memory of Heddle with 1,000 streams", "%.1f MB" % memory["extra"], "<= 40 MB", memory["extra"] <= 40)


def gateways_table():
    table = Table("The model gateway beside others", "One run, each gateway on one core, the model and its clients on the other, "
                  "%s rounds in turn, medians; what is added is over the model called directly. Heddle with a key, limits, a "
                  "route, prices and a record of each call; the others pass calls on. Portkey is told the provider by headers. "
                  "1,000 streams begin within two seconds, 200 tokens each, one every 20 ms. CPU time and memory are those "
                  "of all processes of a gateway." % ROUNDS)
    folder = scripts()
    if not folder:
        table.add("nginx, HAProxy, Caddy, Portkey", "not measured: the scripts are not here")
        return table
    place = os.environ.get("GATEWAYS_DIR") or tempfile.mkdtemp(prefix="heddle-gateways-")
    data = tempfile.mkdtemp(prefix="heddle-bench-")
    try:
        rows, memory = run(folder, place, data)
        check(rows)
        fill(table, rows, memory)
    finally:
        shutil.rmtree(data, ignore_errors=True)
        if not os.environ.get("GATEWAYS_DIR"):
            shutil.rmtree(place, ignore_errors=True)
    return table
