"""The model gateway beside nginx as a streaming reverse proxy, in turn, in the same run.

Heddle checks a key, finds the provider, holds the key to limits of requests, tokens and money, prices the call and
records it; nginx passes bytes on. Proxy on one core; upstream and clients share the other.
"""
import json
import os
import re
import secrets
import shutil
import sqlite3
import subprocess
import tempfile
import time

from common import ROOT, Server, Table, free_port, median

PROGRAM = os.path.join(ROOT, "build", "bench_gateway")
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = int(os.environ.get("SECONDS_EACH", "3"))
STREAMS = int(os.environ.get("STREAMS", "1000"))
PROXY_CPU, OTHER_CPU = "0", "1"


def cpu_us(pid):
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
            total += int(f.read().split()[0])
    return total / 1000


def peak_mb(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) * 1.024e-3


def pinned(cpu, *command):
    return ["taskset", "-c", cpu, *command] if shutil.which("taskset") else list(command)


def script(folder, model, size):
    """A request of @size bytes as a script of wrk."""
    words = 'Summarise the following report, then list "risks".\n- '
    body = {"model": model, "temperature": 0.2,
            "messages": [{"role": "system", "content": "You are a helpful assistant."},
                         {"role": "user", "content": (words * (size // len(words) + 1))[:size - 170]}]}
    path = os.path.join(folder, "w%d.lua" % size)
    with open(path, "w", encoding="utf-8") as f:
        f.write('wrk.method = "POST"\nwrk.body = [==[%s]==]\n' % json.dumps(body, separators=(",", ":")) +
                'wrk.headers["Content-Type"] = "application/json"\nwrk.headers["Authorization"] = os.getenv("KEY")\n'
                'done = function(s, l, r)\n'
                '  io.write(string.format("OUT {\\"requests\\":%d,\\"p50_us\\":%d,\\"bad\\":%d}\\n", s.requests,\n'
                '    l:percentile(50), s.errors.status + s.errors.read + s.errors.timeout + s.errors.connect))\n'
                'end\n')
    return path


class Nginx:
    def __init__(self, folder, upstream):
        self.port = free_port()
        path = os.path.join(folder, "nginx.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write("""daemon off; master_process off; pid %(d)s/nginx.pid; error_log /dev/null;
worker_rlimit_nofile 65536;
events { worker_connections 16384; }
http {
    access_log off; client_body_temp_path %(d)s; proxy_temp_path %(d)s; client_body_buffer_size 64k;
    fastcgi_temp_path %(d)s; uwsgi_temp_path %(d)s; scgi_temp_path %(d)s; keepalive_requests 100000000;
    upstream models { server 127.0.0.1:%(u)d; keepalive 2048; keepalive_requests 100000000; }
    server {
        listen 127.0.0.1:%(p)d backlog=4096;
        location / {
            proxy_pass http://models; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_buffering off; proxy_read_timeout 300s;
        }
    }
}
""" % {"d": folder, "u": upstream, "p": self.port})
        self.process = subprocess.Popen(pinned(PROXY_CPU, "nginx", "-c", path), stderr=subprocess.DEVNULL)
        self.pid, self.key, self.prefix = self.process.pid, "none", ""
        time.sleep(0.4)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


class Heddle:
    def __init__(self, upstream, data=None):
        self.server = Server(cpus=PROXY_CPU, data=data, env={
            "HEDDLE_SHARDS": "1",
            "OPENAI_BASE_URL": "http://127.0.0.1:%d/v1" % upstream, "OPENAI_API_KEY": "sk-bench",
            "ANTHROPIC_BASE_URL": "http://127.0.0.1:%d" % upstream, "ANTHROPIC_API_KEY": "sk-bench"})
        self.pid = self.server.pid
        self.port = int(self.server.url.rsplit(":", 1)[1])
        self.key, self.prefix = self.server.make_key(), "openai/"
        key_id = self.server.call("GET", "/api/keys")["items"][0]["id"]
        self.server.call("PUT", "/api/keys/%s/limits" % key_id, {"limits": {
            "requests": {"day": 10 ** 12}, "tokens": {"day": 10 ** 15}, "cost_micros": {"month": 10 ** 15}}})

    def stop(self):
        self.server.stop()
        shutil.rmtree(self.server.data, ignore_errors=True)


def wrk(proxy, path, connections):
    """CPU of the proxy for each request in us, and the median latency."""
    before = cpu_us(proxy.pid)
    out = subprocess.run(pinned(OTHER_CPU, "wrk", "-t1", "-c%d" % connections, "-d%ds" % SECONDS, "-s", path,
                                "http://127.0.0.1:%d/v1/chat/completions" % proxy.port),
                         stdout=subprocess.PIPE, check=True, text=True, env={**os.environ, "KEY": "Bearer " + proxy.key}).stdout
    spent = cpu_us(proxy.pid) - before
    got = json.loads(re.search(r"^OUT (.*)$", out, re.M).group(1))
    if got["bad"]:
        raise RuntimeError("%d bad answers" % got["bad"])
    return spent / got["requests"], got["p50_us"]


def client(*args):
    out = subprocess.run(pinned(OTHER_CPU, PROGRAM, *args), stdout=subprocess.PIPE, check=True, text=True).stdout
    return json.loads(out)


def stream(proxy, prefix=None):
    before = cpu_us(proxy.pid)
    got = client("streams", str(proxy.port), proxy.key, (prefix or proxy.prefix) + "m-200-20", str(STREAMS))
    if got["failed"] or got["tokens"] != STREAMS * 200:
        raise RuntimeError("streams failed: %r" % got)
    return (cpu_us(proxy.pid) - before) / got["tokens"], got["first_p50_us"]


def measure(nginx, heddle, folder, upstream):
    """{(test, who): [(cpu, latency), ...]}"""
    rows = {}
    for _ in range(ROUNDS):
        for who, proxy in (("nginx", nginx), ("heddle", heddle)):
            small = script(folder, proxy.prefix + "m-8-0", 1024)
            large = script(folder, proxy.prefix + "m-8-0", 32768)
            for test, run in (("1 KB", lambda: wrk(proxy, small, 64)), ("32 KB", lambda: wrk(proxy, large, 64)),
                              ("one connection", lambda: wrk(proxy, small, 1)), ("token", lambda: stream(proxy))):
                rows.setdefault((test, who), []).append(run())
        rows.setdefault(("token", "translated"), []).append(stream(heddle, "anthropic/"))
    return rows


def fill(folder, keys, routes):
    """A database of a server with so many keys and routes, as it would have written them."""
    now = int(time.time() * 1e6)
    with Server(data=folder) as server:
        server.make_key()
    targets = json.dumps([{"provider": "openai", "model": "m-8-0"}])
    with sqlite3.connect(os.path.join(folder, "heddle.db")) as db:
        tenant = db.execute("SELECT id FROM tenant").fetchone()[0]
        db.executemany("INSERT INTO api_key (id, tenant_id, name, prefix, hash, capabilities, created_at)"
                       " VALUES (?, ?, ?, 'hdl_xxxx', ?, 'model.call', ?)",
                       ((b"\0" + secrets.token_bytes(15), tenant, "k%d" % i, secrets.token_bytes(32), now) for i in range(keys)))
        db.executemany("INSERT INTO model_route (id, tenant_id, name, targets, attempts, timeout, revision, created_at,"
                       " updated_at, balance, sticky) VALUES (?, ?, ?, ?, 3, 0, 1, ?, ?, 'order', '')",
                       ((secrets.token_bytes(16), tenant, "r%d" % i, targets, now, now) for i in range(routes)))
    db.close()


def many(table, upstream, folder):
    """The same calls on a server with one key and one route, and on one with very many, in turn."""
    data = {"few": tempfile.mkdtemp(prefix="heddle-bench-"), "many": tempfile.mkdtemp(prefix="heddle-bench-")}
    servers = {}
    try:
        fill(data["few"], 1, 1)
        fill(data["many"], 1000000, 1000)
        for name, where in data.items():
            servers[name] = Heddle(upstream, where)
        calls = {"few": script(folder, "r0", 1024), "many": script(folder, "r999", 1025)}
        rows = {name: [] for name in data}
        for _ in range(ROUNDS):
            for name in data:
                rows[name].append(wrk(servers[name], calls[name], 64)[0])
        few, much = (median(rows[name]) for name in ("few", "many"))
        table.add("request of 1 KB by a route, 1,000,000 keys and 1,000 routes", "%.1f us, with one of each %.1f: %.2f x" %
                  (much, few, much / few), "<= 1.1 x", much <= 1.1 * few)
        table.add("start to ready with them", "%.0f ms" % servers["many"].server.ready_ms, "< 1000 ms",
                  servers["many"].server.ready_ms < 1000)
    finally:
        for server in servers.values():
            server.server.stop()
        for where in data.values():
            shutil.rmtree(where, ignore_errors=True)


def stream_memory(heddle):
    try:
        stream(heddle)
        return peak_mb(heddle.pid)
    finally:
        heddle.stop()


def gateway_table():
    table = Table("The model gateway", "Proxy on one core, upstream and clients on the other, %d rounds in turn, medians of CPU "
                  "time of the proxy's process. Heddle with a key, limits, prices and a record of each call; nginx with "
                  "proxy_buffering off. %d streams of 200 tokens, one every 20 ms; their upstream and clients fill half "
                  "of their core, so the first token tells of the machine as much as of the proxy." % (ROUNDS, STREAMS))
    folder, port = tempfile.mkdtemp(prefix="heddle-bench-"), free_port()
    upstream = subprocess.Popen(pinned(OTHER_CPU, PROGRAM, "upstream", str(port)), stdout=subprocess.PIPE, text=True)
    upstream.stdout.readline()
    proxies = []
    try:
        proxies += [Nginx(folder, port)]
        proxies += [Heddle(port)]
        nginx, heddle = proxies
        rows = measure(nginx, heddle, folder, port)
        for test, bar in (("1 KB", 1.5), ("32 KB", 1.3), ("token", 1.3)):
            theirs, ours = (median(r[0] for r in rows[test, who]) for who in ("nginx", "heddle"))
            table.add("CPU for each %s" % ("request of " + test if "KB" in test else "streamed token"),
                      "%.1f us, nginx %.1f: %.2f x" % (ours, theirs, ours / theirs), "<= %.1f x nginx" % bar,
                      ours <= bar * theirs)
        plain, ours = (median(r[0] for r in rows["token", who]) for who in ("heddle", "translated"))
        table.add("CPU for each streamed token from Anthropic, half of them arguments of a call, translated",
                  "%.1f us, passed through %.1f: %.2f x" % (ours, plain, ours / plain), "<= 2 x", ours <= 2 * plain)
        theirs, ours = (median(r[1] for r in rows["one connection", who]) for who in ("nginx", "heddle"))
        table.add("latency of one connection, p50", "%d us, nginx %d" % (ours, theirs), "<= nginx + 40 us", ours <= theirs + 40)
        theirs, ours = (median(r[1] for r in rows["token", who]) for who in ("nginx", "heddle"))
        table.add("first token, p50", "%.2f ms, nginx %.2f" % (ours / 1000, theirs / 1000), "<= nginx + 0.3 ms",
                  ours <= theirs + 300)
        ours, theirs = stream_memory(Heddle(port)), peak_mb(nginx.pid)
        table.add("memory at most, of a server that had these streams alone", "%.1f MB (nginx %.1f)" % (ours, theirs),
                  "<= 40 MB", ours <= 40)
        many(table, port, folder)
        left = client("leave", str(heddle.port), heddle.key, "openai/hang", str(port), "20")
        for kind in ("whole", "stream"):
            middle, worst = left[kind]
            table.add("client leaves (%s) to upstream closed, the worst of 20" % kind,
                      "%.2f ms (median %.2f)" % (worst / 1000, middle / 1000), "< 10 ms", worst < 10000)
    finally:
        for proxy in proxies:
            proxy.stop()
        upstream.kill()
        upstream.wait()
        shutil.rmtree(folder, ignore_errors=True)
    return table
