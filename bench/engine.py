"""Durable runs: three pure steps, acknowledged after their commit, against the machine's raw commit rate."""
import os
import sqlite3
import tempfile

from common import Server, Table, cpu_seconds, floor, median, wrk

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


def run(seconds=4, rounds=3):
    table = Table("Durable runs of three pure steps (SQLite, synchronous=FULL)",
                  "Over HTTP with wrk on the same cores; each answer comes after the commit of its run. The raw rate is "
                  "SQLite alone, one thread, the same group size; a run writes %d rows." % ROWS)
    with Server() as server:
        server.make_key()
        server.workflow = server.call("POST", "/api/workflows", WORKFLOW)["id"]
        rows = rows_of_a_run(server)
        lua = script(server.key)
        for connections, group in ((64, "rows_64_per_s"), (512, "rows_512_per_s")):
            ratios, rates, cpu, last = [], [], [], None
            for _ in range(rounds):
                raw = floor(1)
                last = measure(server, lua, connections, seconds)
                if last["bad"]:
                    raise RuntimeError("%d answers were not 2xx" % last["bad"])
                ratios.append(last["rps"] / (raw[group] / rows))
                rates.append(last["rps"])
                cpu.append(last["cpu_us"])
            table.add("%d callers" % connections,
                      "%.0f runs/s, p50 %s, p99 %s, %.0f us CPU" % (median(rates), last["p50"], last["p99"], median(cpu)),
                      "", None)
            table.add("%d callers: share of the raw row rate / %d rows" % (connections, rows),
                      "%.0f %%" % (100 * median(ratios)), ">= 40 %", median(ratios) >= 0.4)
        os.unlink(lua)
    return table


if __name__ == "__main__":
    run()
