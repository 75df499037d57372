"""kill -9 under load beside a million old runs: how soon the server answers again, and what became of the rest (W5)."""
import hashlib
import json
import os
import shutil
import signal
import tempfile
import threading
import time
import urllib.request

from common import DATABASES, Server, Table, Upstream, flags_of, id_column, number, query
from start import seed
from timers import rfc3339, start_many, wait_until, waiting
from webhook import Caller, chain, flow, publish

OLD = int(os.environ.get("OLD", "1000000"))
CALLERS, ITEMS, TIMERS = 16, 200, 2000


def steps(url):
    """Four calls one after the other that may be repeated; each has a key of its own."""
    nodes = [{"id": "t", "type": "trigger", "data": {"trigger": "webhook",
                                                     "webhook": {"method": "POST", "respond": "result"}}}]
    nodes += [{"id": "s%d" % i, "type": "api-call", "data": {"method": "POST", "url": url, "body": {"n": "{{ t.n }}"},
                                                             "timeout": "10s", "on_unknown": "repeat"}}
              for i in range(4)]
    nodes.append({"id": "o", "type": "output", "data": {"output": {"n": "{{ t.n }}", "ok": "{{ s3.body.ok }}"}}})
    return flow(nodes)


def fan(url):
    return {"heddle": 1, "name": "fan", "nodes": [
        {"id": "t", "type": "trigger", "data": {"trigger": "webhook", "webhook": {"method": "POST", "respond": "result"}}},
        {"id": "each", "type": "iteration", "data": {"items": "{{ t.items }}", "parallel": 10}},
        {"id": "call", "type": "api-call", "parentId": "each",
         "data": {"method": "POST", "url": url, "body": {"n": "{{ item }}"}, "timeout": "10s", "on_unknown": "repeat"}},
        {"id": "o", "type": "output", "data": {"output": {"n": "{{ each.results.length }}"}}}],
        "edges": [{"id": "1", "source": "t", "target": "each"}, {"id": "2", "source": "each", "target": "o"}]}


def seed_postgres(database, n):
    """@n old runs as the server writes them: copies of the first, with ids of ten days before."""
    run = database.sql("SELECT id FROM run LIMIT 1")
    for table, key in (("run", "id"), ("journal", "run_id")):
        columns = database.sql("SELECT column_name FROM information_schema.columns WHERE table_name = '%s' AND"
                               " table_schema = 'public' ORDER BY ordinal_position" % table).split()
        new = "(lpad(to_hex(%d + i), 12, '0') || '70008' || substr(md5(i::text), 1, 15))::uuid" % (
            int(time.time() * 1000) - 10 * 86400 * 1000 - n)
        database.sql("INSERT INTO %s (%s) SELECT %s FROM %s AS old, generate_series(1, %d) AS n(i) WHERE old.%s = '%s'" % (
            table, ", ".join(columns), ", ".join(new if c == key else "old." + c for c in columns), table, n, key, run))
    database.sql("ANALYZE")


class Load:
    """Callers that remember what they were answered, until the line breaks."""

    def __init__(self, server, workflows, items):
        self.accepted, self.outputs, self.threads = [], {}, []
        self.over = False
        for kind, body in (("pure", lambda i: {"n": i, "name": "Ada"}), ("steps", lambda i: {"n": i}),
                           ("fan", lambda i: {"items": list(range(items))})):
            callers = 2 if kind == "fan" else CALLERS
            self.threads += [threading.Thread(target=self.call, args=(server, workflows[kind], body))
                             for _ in range(callers)]
        for t in self.threads:
            t.start()

    def call(self, server, workflow, body):
        caller, i = Caller(server, workflow), 0
        while not self.over:
            try:
                output, _ = caller(body(i))
            except Exception as e:  # the line broke: whether this one was accepted nobody has told
                if not isinstance(e, (OSError, EOFError, ValueError)) and type(e).__module__ != "http.client":
                    raise
                break
            self.outputs[caller.run.replace("-", "")] = output
            i += 1

    def join(self):
        self.over = True
        for t in self.threads:
            t.join()


def since(database, at):
    """A condition of ids made since @at, in milliseconds."""
    text = "%012x" % at + "7" + "0" * 19
    return "run_id >= '%s'" % text if database.url else "run_id >= x'%s'" % text


def journal(server, database, at):
    """A digest of each batch of the journals since @at."""
    events = "md5(events)" if database.url else "events"
    rows = query(server, database, "SELECT %s, seq, %s FROM journal WHERE %s" % (
        id_column(database, "run_id"), events, since(database, at)))
    return {(run, int(seq)): ev if database.url else hashlib.md5(ev).hexdigest() for run, seq, ev in rows}


def events(server, run):
    """The journal of a run that has ended, as the API tells it."""
    request = urllib.request.Request("%s/api/runs/%s/events" % (server.url, run), headers={
        "authorization": "Bearer " + server.key, "accept": "text/event-stream"})
    with urllib.request.urlopen(request) as answer:
        return [json.loads(line[5:]) for line in answer.read().decode().splitlines() if line.startswith("data:")]


def dashed(run):
    return "-".join((run[:8], run[8:12], run[12:16], run[16:20], run[20:]))


def kill_once(data, database, workflows, upstream, key):
    """One kill and its restart: what came of it."""
    at = int(time.time() * 1000)
    with Server(*flags_of(database), data=data) as server:
        server.key = key
        due = time.time() + 8
        start_many(server, workflows["timer"], TIMERS, '\'{"at": "%s"}\'' % rfc3339(due), 16)
        load = Load(server, workflows, ITEMS)
        time.sleep(max(due + 0.2 - time.time(), 0))  # some timers have been due, others were not taken up yet
        server.stop(signal.SIGKILL)
        load.join()
    open_ones = [r[0] for r in query(server, database, "SELECT %s FROM run WHERE finished_at IS NULL" % id_column(database))]
    stored = journal(server, database, at)
    calls = upstream.keys()
    began = time.monotonic()
    with Server(*flags_of(database), data=data) as server:
        server.key = key
        Caller(server, workflows["pure"])({"n": 1})
        first = (time.monotonic() - began) * 1000
        wait_until("interrupted runs", 0, lambda: -number(
            server, database, "SELECT COUNT(*) FROM run WHERE finished_at IS NULL"))
        whole = time.monotonic() - began
        after = journal(server, database, at)
        ended = {r[0]: int(r[1]) for r in query(server, database, "SELECT %s, state FROM run WHERE %s" % (
            id_column(database), since(database, at).replace("run_id", "id")))}
        in_flight = sum(e["type"] == "step.failed" and e.get("error", {}).get("code") == "unknown_outcome"
                        for run in open_ones for e in events(server, dashed(run)))
        changed = sum(after.get(batch) != digest for batch, digest in stored.items())
        timers = number(server, database, "SELECT COUNT(*) FROM run WHERE state = 3 AND %s = '%s' AND %s" % (
            id_column(database, "workflow_id"), workflows["timer"].replace("-", ""),
            since(database, at).replace("run_id", "id")))
        sample = list(load.outputs.items())[-300:]
        changed += sum(server.call("GET", "/api/runs/" + dashed(run))["output"] != output for run, output in sample)
    again = upstream.keys()
    return {"first": first, "whole": whole, "open": len(open_ones), "in_flight": in_flight, "changed": changed,
            "answered": len(load.outputs), "timers": TIMERS,
            "lost": sum(ended.get(run) != 3 for run in list(load.outputs) + open_ones)
            + max(TIMERS - timers, 0),
            "repeated": sum(n - 1 for n in again.values()) - sum(n - 1 for n in calls.values())}


def measure(table, name, database, upstream, kills):
    data = tempfile.mkdtemp(prefix="heddle-bench-")
    try:
        with Server(*flags_of(database), data=data) as server:
            key = server.make_key()
            workflows = {"pure": publish(server, chain(3)), "steps": publish(server, steps(upstream.url)),
                         "fan": publish(server, fan(upstream.url)),
                         "timer": publish(server, waiting({"mode": "until", "until": "{{ t.at }}"}))}
            Caller(server, workflows["pure"])({"n": 1, "name": "Ada"})
        if database.url:
            seed_postgres(database, OLD)
        else:
            seed(os.path.join(data, "heddle.db"), OLD)
        rows = [kill_once(data, database, workflows, upstream, key) for _ in range(kills)]
    finally:
        shutil.rmtree(data, ignore_errors=True)
    worst = max(r["first"] for r in rows)
    total = {k: sum(r[k] for r in rows) for k in rows[0]}
    table.add("%s: start to the first answer after a kill, the worst of %d" % (name, kills), "%.0f ms (%s)"
              % (worst, ", ".join("%.0f" % r["first"] for r in rows)), "< 500 ms", worst < 500)
    table.add("%s: until all %d interrupted runs have ended" % (name, total["open"]),
              "at most %.1f s" % max(r["whole"] for r in rows))
    table.add("%s: lost, of %d runs that were answered or under way" % (name, total["answered"] + total["open"]),
              "%d" % total["lost"], "0", total["lost"] == 0)
    table.add("%s: results that changed" % name, "%d" % total["changed"], "0", total["changed"] == 0)
    table.add("%s: calls that were made again" % name, "%d; %d steps were in flight" % (total["repeated"], total["in_flight"]),
              "<= steps in flight", total["repeated"] <= total["in_flight"])


def recovery_table(kills=3):
    table = Table("kill -9 beside %d old runs (W5)" % OLD,
                  "Under way at the kill: %d callers of three pure nodes, %d of four calls one after the other, two of "
                  "an iteration of %d calls, and %d timers that are just due. The first answer is that of a webhook with "
                  "its result. Results are compared byte by byte in the journal and with what callers were told; the upstream "
                  "counts calls by their `Idempotency-Key`." % (CALLERS, CALLERS, ITEMS, TIMERS))
    for name, kind in DATABASES:
        with Upstream(fails=0) as upstream, kind() as database:
            measure(table, name, database, upstream, kills)
    return table


if __name__ == "__main__":
    recovery_table()
