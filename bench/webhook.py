"""A webhook, three pure nodes, an answer after the commit (W1); and forty steps one after the other.

CPU time is that of the server and of all processes of its database. Transactions are counted where they are
made: commit frames of SQLite's write-ahead log, PostgreSQL's own counter less what it counts beside it at rest.
"""
import http.client
import json
import os
import struct
import tempfile
import time

from common import DATABASES, Server, Table, Upstream, cpu_us, flags_of, floor, median, tree, wrk

CALLERS = 64


def chain(n, trigger=None):
    """@n steps of data one after the other behind a webhook that answers with the result."""
    nodes = [{"id": "t", "type": "trigger", "data": {
        "trigger": "webhook", "webhook": {"method": "POST", "respond": "result", **(trigger or {})}}}]
    for i in range(n):
        before = "s%d" % (i - 1) if i else "t"
        nodes.append({"id": "s%d" % i, "type": "data-transform",
                      "data": {"mode": "set", "values": {"n": "{{ %s.n }}" % before, "step": i}}})
    nodes.append({"id": "o", "type": "output", "data": {"output": "{{ s%d }}" % (n - 1)}})
    return flow(nodes)


def calls(n, url):
    """@n calls one after the other; each is a durable step of its own."""
    nodes = [{"id": "t", "type": "trigger", "data": {"trigger": "webhook",
                                                     "webhook": {"method": "POST", "respond": "result"}}}]
    nodes += [{"id": "s%d" % i, "type": "api-call", "data": {"url": url, "timeout": "10s"}} for i in range(n)]
    nodes.append({"id": "o", "type": "output", "data": {"output": "{{ s%d.body }}" % (n - 1)}})
    return flow(nodes)


def flow(nodes, settings=None):
    edges = [{"id": str(i), "source": nodes[i]["id"], "target": nodes[i + 1]["id"]} for i in range(len(nodes) - 1)]
    return {"heddle": 1, "name": "bench", "settings": settings or {}, "nodes": nodes, "edges": edges}


def publish(server, definition):
    workflow = server.call("POST", "/api/workflows", definition)["id"]
    server.call("POST", "/api/workflows/%s/publish" % workflow)
    return workflow


def script(body='{"n":1,"name":"Ada"}'):
    with tempfile.NamedTemporaryFile("w", suffix=".lua", delete=False) as f:
        f.write('wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\nwrk.body = \'%s\'\n' % body)
    return f.name


class Caller:
    """One kept connection to a webhook; .run is the id of the last run."""

    def __init__(self, server, workflow):
        self.connection = http.client.HTTPConnection(server.url.split("//")[1])
        self.path = "/hooks/" + workflow

    def __call__(self, body):
        """The answer and how long it took, in ms."""
        began = time.perf_counter()
        self.connection.request("POST", self.path, json.dumps(body), {"content-type": "application/json"})
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status not in (200, 202):
            raise RuntimeError("%d %s" % (answer.status, data[:500]))
        self.run = answer.headers["x-run-id"]
        return json.loads(data), (time.perf_counter() - began) * 1000

    def close(self):
        self.connection.close()


def frames(server):
    """The salt of SQLite's write-ahead log, which changes when it begins again, and the commits in it."""
    with open(os.path.join(server.data, "heddle.db-wal"), "rb") as f:
        data = f.read()
    size, salt, count = struct.unpack(">I", data[8:12])[0], data[16:24], 0
    for at in range(32, len(data) - 24, 24 + size):
        if data[at + 8:at + 16] != salt:
            break
        count += struct.unpack(">I", data[at + 4:at + 8])[0] != 0
    return salt, count


def sqlite_transactions(server, caller, n=50):
    for _ in range(20):
        salt, before = frames(server)
        for i in range(n):
            caller({"n": i})
        now, after = frames(server)
        if salt == now:
            return (after - before) / n
    raise RuntimeError("the log began again each time")


def postgres_transactions(database, caller, n=1000):
    """Less those that are made at rest. A process of its tells of what it did when it does something a second later."""
    def commits():
        time.sleep(1.2)
        caller({"n": 0})
        time.sleep(0.1)
        return int(database.sql("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"))
    first = commits()
    at_rest, began = commits(), time.monotonic()
    for i in range(n):
        caller({"n": i})
    made, elapsed = commits() - at_rest, time.monotonic() - began
    return (made - 1 - (at_rest - first - 1) * elapsed / 1.3) / n


def load(server, database, workflow, callers, seconds, lua):
    pids = [server.pid] + (tree(database.pid) if database.pid else [])
    before = cpu_us(*pids)
    result = wrk("%s/hooks/%s" % (server.url, workflow), callers, seconds, lua)
    if result["bad"]:
        raise RuntimeError("%d answers were not 2xx" % result["bad"])
    result["cpu_ms"] = (cpu_us(*pids) - before) / 1000 / result["requests"]
    return result


def measure(table, name, database, upstream, seconds, rounds):
    with Server(*flags_of(database)) as server:
        server.make_key()
        three, forty = publish(server, chain(3)), publish(server, chain(40))
        forty_calls = publish(server, calls(40, upstream.url))
        caller = Caller(server, three)
        per_run = postgres_transactions(database, caller) if database.url else sqlite_transactions(server, caller)
        alone = sorted(caller({"n": i})[1] for i in range(500))
        caller.close()
        lua = script()
        load(server, database, three, CALLERS, 1, lua)
        limits, results = [], []
        for _ in range(rounds):
            limits.append(floor(1))
            results.append(load(server, database, three, CALLERS, seconds, lua))
        os.unlink(lua)
        cpu, rate = median([r["cpu_ms"] for r in results]), median([r["rps"] for r in results])
        sync = median([x["fdatasync_p50_ms"] for x in limits])
        table.add("%s: CPU for each, %d callers" % (name, CALLERS), "%.3f ms" % cpu, "<= 0.12 ms", cpu <= 0.12)
        table.add("%s: rate, %d callers" % (name, CALLERS), "%.0f/s, p50 %s, p99 %s; fdatasync p50 %.2f ms"
                  % (rate, results[-1]["p50"], results[-1]["p99"], sync), ">= 5,000/s where fdatasync <= 0.5 ms",
                  rate >= 5000 if sync <= 0.5 else None)
        table.add("%s: of the rate of raw SQLite commits of as many rows" % name,
                  "%.0f %%" % (100 * median([r["rps"] * 2 / x["rows_64_per_s"] for r, x in zip(results, limits)])))
        table.add("%s: one caller" % name, "p50 %.2f ms, p99 %.2f ms" % (alone[250], alone[495]))
        table.add("%s: transactions of a run at rest" % name, "%.2f" % per_run, "<= 2", per_run <= 2)
        for what, workflow in (("pure steps", forty), ("calls, each durable", forty_calls)):
            caller = Caller(server, workflow)
            caller({"n": 0})
            took = median([caller({"n": i})[1] for i in range(30)])
            caller.close()
            table.add("%s: 40 %s, one after the other" % (name, what), "%.1f ms; fdatasync p50 %.2f ms" % (took, sync),
                      "<= 60 ms", took <= 60)


def webhook_table(seconds=4, rounds=3):
    table = Table("Webhook, three pure nodes, answer (W1)",
                  "%d kept connections of wrk, which takes its part of the same two cores; the answer comes after the "
                  "commit. CPU time is that of the server and of all processes of the database. The calls go to nginx."
                  % CALLERS)
    with Upstream(fails=0) as upstream:
        for name, kind in DATABASES:
            with kind() as database:
                measure(table, name, database, upstream, seconds, rounds)
    return table


if __name__ == "__main__":
    webhook_table()
