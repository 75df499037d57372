"""Durable runs: three pure steps, acknowledged after their commit, against the machine's raw commit rate."""
import json
import os
import sqlite3
import subprocess
import tempfile

from common import ROOT, Server, Table, cpu_seconds, floor, median, wrk

WORKFLOW = {
    "heddle": 1, "name": "three pure steps",
    "nodes": [
        {"id": "t", "type": "trigger", "position": {"x": 0, "y": 0}, "data": {"trigger": "api"}},
        {"id": "a", "type": "data-transform", "position": {"x": 280, "y": 0},
         "data": {"mode": "set", "values": {"n": "{{ t.n }}", "hello": "hello {{ t.name }}"}}},
        {"id": "c", "type": "condition", "position": {"x": 560, "y": 0},
         "data": {"cases": [{"id": "big", "conditions": [{"left": "{{ a.n }}", "operator": "gt", "right": 10}]}]}},
        {"id": "o", "type": "output", "position": {"x": 840, "y": 0}, "data": {"output": "{{ a }}"}}],
    "edges": [{"id": "1", "source": "t", "target": "a"}, {"id": "2", "source": "a", "target": "c"},
              {"id": "3", "source": "c", "target": "o", "sourceHandle": "big"}]}
ROWS = 2  # the run and its journal


def script(key):
    f = tempfile.NamedTemporaryFile("w", suffix=".lua", delete=False)
    f.write('wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\n'
            'wrk.headers["authorization"] = "Bearer %s"\n'
            "wrk.body = '{\"input\":{\"n\":12,\"name\":\"Ada\"}}'\n" % key)
    f.close()
    return f.name


def rows_of_a_run(server):
    """Counted in the database, not assumed."""
    before = count(server)
    server.call("POST", "/api/workflows/%s/execute" % server.workflow, {"input": {"n": 12, "name": "Ada"}})
    return count(server) - before


def count(server):
    with sqlite3.connect("file:%s/heddle.db?mode=ro" % server.data, uri=True) as db:
        return sum(db.execute("SELECT COUNT(*) FROM " + t).fetchone()[0] for t in ("run", "journal", "run_key"))


def measure(server, lua, connections, seconds):
    before, result = cpu_seconds(server.pid), None
    result = wrk("%s/api/workflows/%s/execute" % (server.url, server.workflow), connections, seconds, lua)
    result["cpu_us"] = (cpu_seconds(server.pid) - before) * 1e6 / max(result["requests"], 1)
    return result


def through_engine(connections, seconds):
    """As many fibers as callers in one process, without HTTP."""
    with tempfile.TemporaryDirectory(prefix="heddle-engine-") as folder:
        path = os.path.join(folder, "workflow.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(WORKFLOW, f)
        out = subprocess.run([os.path.join(ROOT, "build", "bench_engine"), folder, path, str(connections),
                              str(seconds)], stdout=subprocess.PIPE, check=True, text=True).stdout
    return json.loads(out)


def shares(table, what, rates, raws, callers, rows):
    """The bar's row, and what the rate is of rows with a bare counter as their key."""
    share = median([rate / (raw["rows_%d_per_s" % callers] / rows) for rate, raw in zip(rates, raws)])
    counted = median([rate / (raw["counted_%d_per_s" % callers] / rows) for rate, raw in zip(rates, raws)])
    table.add("%s: share of the raw row rate / %d rows" % (what, rows),
              "%.0f %% (%.0f %% of rows with counted keys)" % (100 * share, 100 * counted), ">= 40 %", share >= 0.4)


def engine_rows(table, callers, rows, seconds, rounds):
    raws, results = [], []
    for _ in range(rounds):
        raws.append(floor(1))
        results.append(through_engine(callers, seconds))
    what = "%d callers in the process" % callers
    rates = [r["runs_per_s"] for r in results]
    table.add(what, "%.0f runs/s, %.0f us CPU" % (median(rates), median([r["cpu_us"] for r in results])), "", None)
    shares(table, what, rates, raws, callers, rows)


def http_rows(table, server, lua, callers, rows, seconds, rounds):
    raws, results = [], []
    for _ in range(rounds):
        raws.append(floor(1))
        results.append(measure(server, lua, callers, seconds))
        if results[-1]["bad"]:
            raise RuntimeError("%d answers were not 2xx" % results[-1]["bad"])
    what = "%d callers over HTTP" % callers
    rates, last = [r["rps"] for r in results], results[-1]
    table.add(what, "%.0f runs/s, p50 %s, p99 %s, %.0f us CPU"
              % (median(rates), last["p50"], last["p99"], median([r["cpu_us"] for r in results])), "", None)
    shares(table, what, rates, raws, callers, rows)


def run(seconds=4, rounds=3):
    table = Table("Durable runs of three pure steps (SQLite, synchronous=FULL)",
                  "Callers in the process are fibers that start a run, wait for its end and write its answer; those "
                  "over HTTP are wrk's connections, and wrk takes its part of the same two cores. "
                  "Each answer comes after the commit of its run. The raw rate is SQLite alone, one thread, groups of "
                  "as many rows (300 bytes, a UUIDv7 as key as all rows here have, one secondary index) as there are "
                  "callers; a run writes %d rows. A bare counter as key makes such rows cheaper: that share stands "
                  "in brackets." % ROWS)
    with Server() as server:
        server.make_key()
        server.workflow = server.call("POST", "/api/workflows", WORKFLOW)["id"]
        rows = rows_of_a_run(server)
        lua = script(server.key)
        for callers in (64, 512):
            engine_rows(table, callers, rows, seconds, rounds)
            http_rows(table, server, lua, callers, rows, seconds, rounds)
        os.unlink(lua)
    return table


if __name__ == "__main__":
    run()
