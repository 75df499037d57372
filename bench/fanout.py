"""Iterations (W2): one list of 1,000 and of 100,000 items, of pure steps and of calls that fail now and then."""
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from common import Server, Table, free_port, median, rss_mb

LIMIT = 50


def workflow(body):
    edges = [{"id": "1", "source": "t", "target": "each"}, {"id": "2", "source": "each", "target": "o"}]
    edges += [{"id": "b%d" % i, "source": body[i - 1]["id"], "target": body[i]["id"]} for i in range(1, len(body))]
    return {
        "heddle": 1, "name": "fan out", "settings": {"max_steps": 1000000, "max_parallel": LIMIT},
        "nodes": [{"id": "t", "type": "trigger", "data": {"trigger": "api"}},
                  {"id": "each", "type": "iteration", "data": {"items": "{{ t }}", "parallel": LIMIT}},
                  *({**node, "parentId": "each"} for node in body),
                  {"id": "o", "type": "output", "data": {"output": {"n": "{{ each.results.length }}",
                                                                   "failed": "{{ each.failed }}"}}}],
        "edges": edges}


PURE = [{"id": "step", "type": "data-transform",
         "data": {"mode": "set", "values": {"i": "{{ index }}", "v": "{{ item }}"}}}]


def call(url):
    return [{"id": "call", "type": "api-call",
             "data": {"url": url + "?i={{ index }}", "timeout": "30s",
                      "retry": {"max_attempts": 20, "delay": "10ms", "max_delay": "50ms"}}},
            {"id": "kept", "type": "data-transform", "data": {"mode": "set", "values": {"ok": "{{ call.body.ok }}"}}}]


class Upstream:
    """nginx that answers one request in a hundred with 500."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="heddle-fanout-")
        self.port = free_port()
        conf = os.path.join(self.folder, "nginx.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write("""daemon off; master_process off; pid %(d)s/pid; error_log /dev/null;
events { worker_connections 2000; }
http {
  log_format lean '$status'; access_log %(d)s/log lean; keepalive_requests 1000000;
  client_body_temp_path %(d)s/a; proxy_temp_path %(d)s/b; fastcgi_temp_path %(d)s/c; uwsgi_temp_path %(d)s/e; scgi_temp_path %(d)s/f;
  split_clients $request_id $fails { 1%% 1; * 0; }
  server { listen 127.0.0.1:%(p)d; default_type application/json;
    location / { if ($fails) { return 500 '{}'; } return 200 '{"ok":true}'; } }
}""" % {"d": self.folder, "p": self.port})
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
            lines = f.read().split()
        return {status: lines.count(status) for status in set(lines)}

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


def run_once(server, flow, n):
    began = time.monotonic()
    run = server.call("POST", "/api/workflows/%s/execute" % flow, {"input": list(range(n)), "timeout": "10m"})
    seconds = time.monotonic() - began
    if run.get("output") != {"n": n, "failed": 0}:
        raise RuntimeError("the run went wrong: %r" % (run.get("error") or run.get("output")))
    return seconds


def measure(table, server, what, body):
    flow = server.call("POST", "/api/workflows", workflow(body))["id"]
    run_once(server, flow, 100)
    small = median([run_once(server, flow, 1000) for _ in range(5)]) * 1000
    table.add("1,000 items, %s" % what, "%.0f ms" % small, "< 150 ms", small < 150)
    with Peak(lambda: rss_mb(server.pid)) as memory:
        seconds = run_once(server, flow, 100000)
    growth = memory.most - memory.before
    table.add("100,000 items, %s" % what, "%.1f s, %.0f us each" % (seconds, seconds * 10), "< 15 s", seconds < 15)
    table.add("memory that they take besides", "%.0f MB" % growth, "< 64 MB", growth < 64)


def fanout_table():
    table = Table("Iterations (SQLite, synchronous=FULL)",
                  "One run over HTTP that goes through a list, at most %d items at once; the calls go to nginx, which answers 1 %% "
                  "of them with 500, and they are tried again." % LIMIT)
    with Server() as server:
        measure(table, server, "a pure step each", PURE)
    # On one shard, so that no other one keeps connections of a run before.
    with Server(env={"HEDDLE_SHARDS": "1"}) as server, Upstream() as upstream:
        with Peak(upstream.connections) as open_ones:
            measure(table, server, "a call and a pure step each", call(upstream.url))
        seen = upstream.statuses()
        table.add("connections for %d calls, of which %d failed" % (sum(seen.values()), seen.get("500", 0)),
                  "%d at most" % open_ones.most, "<= %d, the limit" % LIMIT, open_ones.most <= LIMIT)
    return table


if __name__ == "__main__":
    fanout_table()
